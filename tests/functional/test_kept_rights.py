"""What a person may do is kept in the process, and every change of it counts from the next request on all the same."""

import pytest

from populace.api import authentication
from populace.groups.models import RoleAssignment

pytestmark = pytest.mark.django_db

USERS, GROUPS = "/api/v1/users", "/api/v1/groups"


@pytest.fixture
def weak(client, client_of, token, make_user):
    """A person without any role, their client, and the groups they are in: `lower`, which lies below `upper`."""

    class Weak:
        id = make_user()["id"]
        http = client_of(token(owner=id, role=None))
        upper = client.post(GROUPS, {"name": "Upper"}).json()["id"]
        lower = client.post(GROUPS, {"name": "Lower", "parents": [upper]}).json()["id"]

        def status(self):
            """What they are told now; the first time, and after each change, it is read anew."""
            return self.http.get(f"{USERS}/{self.id}").status_code

    weak = Weak()
    client.post(f"{GROUPS}/{weak.lower}/members", {"add": [weak.id]})
    assert [weak.status(), weak.status()] == [403, 403]
    return weak


def test_a_role_given_and_taken(client, weak):
    for change, status in (("add", 200), ("remove", 403)):
        client.post(f"{USERS}/{weak.id}/roles", {change: ["viewer"]})
        assert weak.status() == status


@pytest.mark.parametrize("group", ["upper", "lower"])
def test_a_role_that_a_group_gains_and_loses(client, weak, group):
    for roles, status in ((["viewer"], 200), ([], 403)):
        assert client.patch(f"{GROUPS}/{getattr(weak, group)}", {"roles": roles}).status_code == 200
        assert weak.status() == status


def test_a_group_that_is_put_below_another_and_taken_out(client, weak):
    client.patch(f"{GROUPS}/{weak.lower}", {"parents": []})
    client.patch(f"{GROUPS}/{weak.upper}", {"roles": ["viewer"]})
    for parents, status in (([weak.upper], 200), ([], 403)):
        assert client.patch(f"{GROUPS}/{weak.lower}", {"parents": parents}).status_code == 200
        assert weak.status() == status


def test_members_that_leave_and_come(client, weak):
    client.patch(f"{GROUPS}/{weak.upper}", {"roles": ["viewer"]})
    assert weak.status() == 200
    for change, status in (("remove", 403), ("add", 200)):
        client.post(f"{GROUPS}/{weak.lower}/members", {change: [weak.id]})
        assert weak.status() == status


@pytest.mark.parametrize("group", ["upper", "lower"])
def test_a_group_that_is_deleted(client, weak, group):
    client.patch(f"{GROUPS}/{weak.upper}", {"roles": ["viewer"]})
    assert weak.status() == 200
    assert client.delete(f"{GROUPS}/{getattr(weak, group)}").status_code == 204
    assert weak.status() == 403


def test_what_no_verb_has_done_counts_when_the_kept_rights_are_too_old(client, weak, monkeypatch):
    """Guard: populace/api/authentication.py:held_by, `now < kept[0]`."""
    client.post(f"{USERS}/{weak.id}/roles", {"add": ["viewer"]})
    assert weak.status() == 200
    RoleAssignment._base_manager.filter(user_id=weak.id).delete()
    later = authentication.monotonic() + authentication.KEPT_S
    monkeypatch.setattr(authentication, "monotonic", lambda: later)  # a second has passed
    assert weak.status() == 403


def test_no_more_people_are_kept_than_fit(weak, monkeypatch):
    monkeypatch.setattr(authentication, "KEPT_MOST", 3)
    authentication._kept.update((str(number).encode(), (0.0, b"0", frozenset())) for number in range(3))
    authentication._kept.pop(weak.id.encode(), None)
    weak.status()
    assert list(authentication._kept) == [weak.id.encode()]
