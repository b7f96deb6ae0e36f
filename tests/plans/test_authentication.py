"""The token's check, alone and folded into a document's statement: by keys alone, however many people there are."""

import json
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from populace.api.authentication import DOCUMENT, TOKEN
from populace.credentials.models import ApiToken
from populace.credentials.reads import tokens
from populace.credentials.tokens import digest
from populace.groups.models import Group, GroupClosure, GroupRole, Membership, Role, RoleAssignment
from populace.groups.reads import GROUP_PERMISSIONS, PERMISSIONS, groups, members, permissions_in
from populace.infra.db.ids import new_id
from populace.infra.db.lookups import LAST
from populace.users.api import UserView
from populace.users.models import User
from tests.support.plans import analyze, explain, filled_once

PEOPLE, GROUPS = 3000, 600  # enough that reading a whole table costs more than its index


@pytest.fixture(scope="module")
def people(django_db_setup, django_db_blocker):
    with filled_once(django_db_blocker, fill) as made:
        yield made


def fill():
    """Many people, each with a token, a role and two groups (all are in g9); many groups, each with a role.

    Returns the ids of the people. The token of person n is digest(str(n)).
    """
    ids = [new_id() for _ in range(PEOPLE)]
    now = timezone.now()
    User._base_manager.bulk_create([User(id=id) for id in ids])
    ApiToken._base_manager.bulk_create(
        [ApiToken(digest=digest(str(n)), user_id=id, scopes="admin", created_at=now) for n, id in enumerate(ids)]
    )
    roles = Role._base_manager.bulk_create([Role(name=f"r{n}", permissions=["jobs:read"]) for n in range(GROUPS)])
    groups = Group._base_manager.bulk_create([Group(name=f"g{n}", name_normal=f"g{n}") for n in range(GROUPS)])
    closure = [GroupClosure(group=group, ancestor=group, depth=0) for group in groups]
    closure += [GroupClosure(group=group, ancestor=groups[0], depth=1) for group in groups[1:]]
    GroupClosure._base_manager.bulk_create(closure)
    GroupRole._base_manager.bulk_create([GroupRole(group=g, role=r) for g, r in zip(groups, roles, strict=True)])
    RoleAssignment._base_manager.bulk_create([RoleAssignment(user_id=id, role=roles[1]) for id in ids])
    pairs = [(id, number) for n, id in enumerate(ids) for number in {9, n % GROUPS}]
    Membership._base_manager.bulk_create(Membership(user_id=id, group=groups[k], since=now) for id, k in pairs)
    analyze(connection)
    return ids


ONE_ROW = {"groups_rightsversion"}
RIGHTS = {"groups_rightsversion_pkey"}


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
def test_a_token_and_its_owner_are_found_by_primary_keys(people, generic):
    plan = explain(TOKEN, connection, generic=generic, digest=digest("7"))
    assert plan.scanned <= ONE_ROW, plan.text
    assert not plan.sorts, plan.text
    if connection.vendor == "postgresql":
        assert plan.indexes - RIGHTS == {"credentials_apitoken_pkey", "users_user_pkey"}, plan.text
    assert owner_in(TOKEN.row(digest=digest("7"))) == people[7]


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
def test_token_and_document_together_are_found_by_primary_keys(people, generic):
    plan = explain(UserView.read, connection, generic=generic, digest=digest("7"), id=people[9])
    # The names of a person's groups: how few rows of that small table are found is the planner's business.
    assert plan.scanned <= {"groups_group", *ONE_ROW}, plan.text
    if connection.vendor == "postgresql":
        assert plan.indexes >= {"credentials_apitoken_pkey", "users_user_pkey", "groups_membership_pkey"}, plan.text
    assert owner_in(UserView.read.row(digest=digest("7"), id=people[9])) == people[7]
    assert UserView.read.row(digest=digest("7"), id=new_id())[DOCUMENT] is None
    assert UserView.read.row(digest=digest("x"), id=people[9]) is None


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
@pytest.mark.parametrize("statement", [PERMISSIONS, GROUP_PERMISSIONS], ids=["person", "group"])
def test_what_somebody_may_do_is_found_by_primary_keys(people, statement, generic):
    key = Group.objects.get(name="g9").id if statement is GROUP_PERMISSIONS else people[9]
    plan = explain(statement, connection, generic=generic, id=key)
    assert not plan.scanned, plan.text
    assert permissions_in(*statement.row(id=key)) == {"jobs:read"}


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
@pytest.mark.parametrize("descending", [False, True])
def test_a_page_of_groups_members_or_tokens_is_a_walk_along_an_index(people, descending, generic):
    last = UUID(int=(1 << 128) - 1 if descending else 0)
    group = Group.objects.get(name="g9").id
    for statement, values in (
        (groups(descending=descending), {"name": LAST if descending else ""}),
        (members(descending=descending), {"id": group, "user": last}),
        (tokens(of_one_owner=False, descending=descending), {"id": last}),
        (tokens(of_one_owner=True, descending=descending), {"id": last, "owner": people[9]}),
    ):
        plan = explain(statement, connection, generic=generic, limit=21, **values)
        assert not plan.scanned - {"groups_role", "groups_groupparent"}, plan.text
        if connection.vendor == "postgresql":
            assert not outer_sort(plan), plan.text


def outer_sort(plan):
    """Tell whether the page itself is sorted; what stands inside a document may be."""
    nodes = [json.loads(plan.text)]
    while nodes:
        node = nodes.pop()
        if node["Node Type"] == "Sort":
            return True
        nodes += [below for below in node.get("Plans", ()) if below["Parent Relationship"] != "SubPlan"]
    return False


def owner_in(row):
    """Return whose token the row tells of."""
    return UUID(row[0].split()[1].decode())
