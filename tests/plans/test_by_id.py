"""One person, by id and by identifier: by indexes alone, however often the statement has run."""

import pytest
from django.db import connection
from django.utils import timezone

from populace.groups.models import Group, Membership
from populace.infra.db.ids import new_id
from populace.users.models import Identifier, User
from populace.users.reads import IDENTIFIER, USER
from tests.support.plans import analyze, explain

PEOPLE = 3000  # enough that reading a whole table costs more than its index


@pytest.fixture
def people(db):
    """Many people, each with an identifier and two memberships; the ids of the people."""
    ids = [new_id() for _ in range(PEOPLE)]
    User._base_manager.bulk_create([User(id=id) for id in ids])
    keys = [Identifier(key=f"username:p{n}", user_id=id, unicode_version="15.1.0") for n, id in enumerate(ids)]
    Identifier._base_manager.bulk_create(keys)
    groups = Group._base_manager.bulk_create([Group(name=f"g{n}", name_normal=f"g{n}") for n in range(2)])
    now = timezone.now()
    Membership._base_manager.bulk_create([Membership(user_id=id, group=g, since=now) for id in ids for g in groups])
    analyze(connection)
    return ids


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
def test_a_person_is_read_by_two_primary_keys(people, generic):
    plan = explain(USER, connection, generic=generic, id=people[7])
    # The catalogue of groups is small: how its two rows are found is the planner's business.
    assert plan.scanned <= {"groups_group"}, plan.text
    if connection.vendor == "postgresql":
        assert plan.indexes >= {"users_user_pkey", "groups_membership_pkey"}, plan.text


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
def test_an_identifier_is_found_by_its_primary_key(people, generic):
    plan = explain(IDENTIFIER, connection, generic=generic, key="username:p7")
    assert not plan.scanned, plan.text
    if connection.vendor == "postgresql":
        assert plan.indexes == {"users_identifier_pkey"}, plan.text


@pytest.mark.only_on("postgresql", "SQLite plans every statement by itself")
def test_it_is_planned_once(people):
    """Guard: config/engines.py:PLANS."""
    for id in people[:7]:
        USER.one(id=id)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement = %s",
            [USER.plan(connection).text],
        )
        [[generic, custom]] = cursor.fetchall()
    assert (generic, custom) == (7, 0)
