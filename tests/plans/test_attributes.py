"""People listed by an indexed attribute: its table is walked by its own index, both ways, at any depth."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import connection

from populace.api.lists import folded_list
from populace.credentials.models import ApiToken
from populace.credentials.tokens import digest
from populace.infra.db.patience import patient
from populace.users.filters import Wanted
from populace.users.lists import Listing
from populace.users.models import AttributeValue, User
from populace.users.pages import ROWS
from populace.users.querysets import ATTRIBUTE
from tests.support.plans import analyze, explain

PEOPLE_COUNT = 20_000  # with fewer, PostgreSQL rightly reads the whole table at once
DIGEST = digest("somebody with a token")
SINCE = datetime(2020, 1, 1, tzinfo=UTC)
COMMON, RARE, NOBODY = Wanted("department", "sD0"), Wanted("department", "sD1"), Wanted("department", "sD9")
LAST_NAME = Wanted("zone", "n7")
WANTED = [COMMON, RARE, NOBODY, LAST_NAME]


@pytest.fixture(scope="module")
def people(django_db_setup, django_db_blocker):
    """Ids, ascending, by what each person has; committed once for this module and removed behind it."""
    with django_db_blocker.unblock():
        with patient():  # a loaded machine commits so many rows slowly
            held = made()
        yield held
        with patient():
            for model in (ApiToken, AttributeValue, User):
                model._base_manager.all()._raw_delete(connection.alias)


def made():
    ids = sorted(UUID(int=(n * 7919 % PEOPLE_COUNT + 1) << 96 | 7 << 76 | 2 << 62 | n) for n in range(PEOPLE_COUNT))
    User._base_manager.bulk_create([User(id=id, username=str(id)) for id in ids], batch_size=1000)
    held = {COMMON: ids[::2], RARE: ids[-300:], LAST_NAME: ids[1::10]}
    rows = [AttributeValue(user_id=id, name=name, value=text) for (name, text), has in held.items() for id in has]
    rows += [AttributeValue(user_id=id, name="badge", value=f"s{id}") for id in ids]
    AttributeValue._base_manager.bulk_create(rows, batch_size=1000)
    token = ApiToken(digest=DIGEST, user_id=ids[0], scopes="users:read", created_at=SINCE)
    ApiToken._base_manager.bulk_create([token])
    analyze(connection)
    return held


@pytest.mark.parametrize("wanted", WANTED, ids=str)
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("rows", [ROWS[0], ROWS[-1]])
def test_a_page_reads_what_it_shows(people, db, wanted, descending, rows):
    """Guard: populace/users/pages.py:holders."""
    listing = Listing({ATTRIBUTE: wanted}, (), "id", descending)
    found = people.get(wanted, [])[:: -1 if descending else 1]
    for at in sorted({0, len(found) // 2, max(len(found) - rows // 2, 0)}):
        shown = found[at : at + rows]
        read, values = listing.read((str(found[at - 1]),) if at else (), backwards=False)
        assert [row[-1] for row in read.result(values, rows)] == [str(id).encode() for id in shown]
        for generic in (False, True) if connection.vendor == "postgresql" else (False,):
            given = {"digest": DIGEST, **values}
            plan = explain(folded_list(read), connection, generic=generic, limit=rows, run=True, **given)
            assert "attribute_value" in ",".join(plan.indexes), plan.text
            assert not {"users_user", "users_attributevalue"} & plan.scanned, plan.text
            assert plan.sorted <= len(shown), plan.text
            if connection.vendor == "postgresql":
                assert plan.read["users_attributevalue"] <= len(shown) + 1, plan.text
                assert plan.read["users_user"] <= len(shown) + 1, plan.text
