"""`populace up` before it serves: the administrator is owner, also of what an earlier version made."""

from uuid import UUID

import pytest

from populace.audit.actors import SYSTEM
from populace.cli import first_start
from populace.groups.actions import change_roles
from populace.groups.models import RoleAssignment
from populace.groups.reads import roles_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def prepare(settings, tmp_path, give_role, make_user):
    """Return `prepare() -> id of the administrator`."""
    make_user()  # somebody is there: no demo people
    settings.VAR_DIR = tmp_path
    (tmp_path / "run").mkdir()

    def run() -> UUID:
        first_start.prepare(lambda done: None)
        return first_start.user_id_of("email", first_start.ADMIN_EMAIL)

    return run


def test_the_administrator_is_owner_and_stays_what_they_were_made(prepare, make_user, give_role):
    administrator = prepare()
    assert roles_of(administrator) == ["owner"]
    RoleAssignment._base_manager.all().delete()  # as an earlier version left it
    assert prepare() == administrator
    assert roles_of(administrator) == ["owner"]
    change_roles(UUID(make_user()["id"]), by=SYSTEM, add=["owner"])
    change_roles(administrator, by=SYSTEM, remove=["owner"])
    prepare()
    assert roles_of(administrator) == []
