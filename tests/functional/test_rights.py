"""What roles permit, how groups pass it on, and the guards of the verbs."""

import random
from dataclasses import replace
from importlib import import_module
from uuid import UUID, uuid4

import pytest

from populace.audit.actors import SYSTEM, Actor
from populace.audit.models import Event
from populace.audit.permissions import ALL, PERMISSIONS
from populace.groups import actions, closure
from populace.groups.actions import change_members, change_roles, create_group, delete_group, update_group
from populace.groups.errors import Cycle, GroupNotFound
from populace.groups.models import Group, GroupClosure, GroupParent, Role
from populace.groups.reads import OWNER_ID, permissions_of, roles_of
from populace.users.actions import activate_user, deactivate_user, erase_user, update_user
from populace.users.errors import Forbidden, Invalid, LastOwner, VersionMismatch

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _roles(give_role):
    """The shipped roles are there."""


def made(name, **values):
    import json

    parents = [{"parent_id": parent} for parent in values.pop("parents", ())]
    return UUID(json.loads(create_group(by=SYSTEM, values={"name": name, "parent_links": parents} | values))["id"])


def nest(group, *parents):
    update_group(group, by=SYSTEM, values={"parent_links": [{"parent_id": parent} for parent in parents]})


def test_the_shipped_roles_are_those_of_the_migration():
    shipped = import_module("populace.groups.migrations.0002_rights").SHIPPED
    assert {role.name: role.permissions for role in Role.objects.all()} == shipped
    assert set(shipped["owner"]) == set(PERMISSIONS)
    assert Role.objects.get(name="owner").id == OWNER_ID
    assert all(set(permissions) <= ALL for permissions in shipped.values())


def walked_up(group):
    """What lies above a group by its parents' rows alone."""
    parents = {}
    for child, parent in GroupParent.objects.values_list("group_id", "parent_id"):
        parents.setdefault(child, set()).add(parent)
    found, depth, layer = {group: 0}, 0, {group}
    while layer:
        depth, layer = depth + 1, {parent for one in layer for parent in parents.get(one, ())} - set(found)
        found |= dict.fromkeys(layer, depth)
    return found


def test_the_closure_is_what_walking_up_the_parents_finds_after_any_changes():
    chance = random.Random(4)
    groups = [made(f"g{n}") for n in range(12)]
    for _ in range(60):
        child, *parents = chance.sample(groups, chance.choice((1, 2, 3)))
        try:
            nest(child, *parents)
        except Cycle:
            continue
        stored = {}
        for link in GroupClosure.objects.all():
            stored.setdefault(link.group_id, {})[link.ancestor_id] = link.depth
        assert stored == {group: walked_up(group) for group in groups}
    gone = groups.pop(0)
    delete_group(gone, by=SYSTEM)
    assert {link.group_id for link in GroupClosure.objects.all()} == set(groups)
    for group in groups:
        assert closure.stored([group])[group] == walked_up(group)


def test_a31_a_group_is_never_above_itself():
    """Guard: populace/groups/closure.py:rebuild."""
    a = made("a")
    b = made("b", parents=[a])
    c = made("c", parents=[b])
    for child, parent in ((a, a), (a, b), (a, c), (b, c)):
        with pytest.raises(Cycle):
            nest(child, parent)
    assert GroupParent.objects.count() == 2


def test_nesting_has_an_end():
    top = made("0")
    for n in range(closure.DEPTH_MAX):
        top = made(str(n + 1), parents=[top])
    with pytest.raises(Invalid):
        made("one more", parents=[top])
    above, roof = Group.objects.get(name="0").id, made("roof")
    with pytest.raises(Invalid):
        nest(above, roof)


def test_rights_flow_down_from_every_group_above(make_user):
    person = UUID(make_user()["id"])
    top = made("top", roles=["auditor"])
    middle = made("middle", parents=[top])
    bottom = made("bottom", parents=[middle], roles=["helpdesk"])
    change_members(bottom, by=SYSTEM, add=[person])
    assert permissions_of(person) == {"users:read", "groups:read", "events:read", "users:write"}
    nest(middle)
    assert permissions_of(person) == {"users:read", "groups:read", "users:write"}
    change_members(bottom, by=SYSTEM, remove=[person])
    assert permissions_of(person) == frozenset()
    assert permissions_of(uuid4()) == frozenset()


@pytest.fixture
def manager(make_user, give_role):
    """An actor with the permissions of a manager."""
    person = make_user()
    give_role(person["id"], "manager")
    return Actor(UUID(person["id"]), permissions=permissions_of(UUID(person["id"])))


@pytest.fixture
def owner(make_user, give_role):
    """The id of an owner."""
    person = make_user()
    give_role(person["id"], "owner")
    return UUID(person["id"])


def test_a31_nobody_grants_what_they_do_not_hold(manager, make_user):
    """Guard: populace/groups/guards.py:check_held."""
    person, other = UUID(make_user()["id"]), UUID(make_user()["id"])
    strong, weak = made("strong", roles=["auditor"]), made("weak", roles=["viewer"])
    child = made("child", parents=[strong])
    events = Event.objects.count()
    for act in (
        lambda: change_roles(person, by=manager, add=["auditor"]),
        lambda: change_roles(manager.id, by=manager, add=["owner"]),
        lambda: change_members(strong, by=manager, add=[manager.id]),
        lambda: change_members(child, by=manager, add=[person]),
        lambda: update_group(weak, by=manager, values={"roles": ["auditor"]}),
        lambda: update_group(weak, by=manager, values={"parent_links": [{"parent_id": strong}]}),
        lambda: update_group(weak, by=manager, values={"parent_links": [{"parent_id": child}]}),
        lambda: update_group(strong, by=manager, values={"name": "weaker"}),
        lambda: update_group(child, by=manager, values={"parent_links": []}),
        lambda: delete_group(strong, by=manager),
        lambda: create_group(by=manager, values={"name": "new", "roles": ["auditor"]}),
        lambda: create_group(by=manager, values={"name": "new", "parent_links": [{"parent_id": strong}]}),
    ):
        with pytest.raises(Forbidden):
            act()
    assert Event.objects.count() == events
    change_roles(person, by=manager, add=["viewer"])
    change_members(weak, by=manager, add=[other])
    assert permissions_of(other) == {"users:read", "groups:read"}


def test_a32_nobody_acts_on_somebody_with_more_rights(manager, owner, make_user):
    """Guard: populace/groups/guards.py:may_act_on, which every verb about a person asks first."""
    from populace.credentials.actions import create_token, set_password

    by_group = UUID(make_user()["id"])
    change_members(made("strong", roles=["auditor"]), by=SYSTEM, add=[by_group])
    events = Event.objects.count()
    for person in (owner, by_group):
        for act in (
            lambda id: update_user(id, by=manager, values={"email": "mine@example.com"}),
            lambda id: deactivate_user(id, by=manager),
            lambda id: activate_user(id, by=manager),
            lambda id: erase_user(id, by=manager),
            lambda id: set_password(id, by=manager, password_hash="!"),
            lambda id: create_token(owner_id=id, name="x", scopes=["users:read"], by=manager),
            lambda id: change_roles(id, by=manager, remove=["owner"]),
        ):
            with pytest.raises(Forbidden):
                act(person)
    assert Event.objects.count() == events
    equal = UUID(make_user()["id"])
    change_roles(equal, by=SYSTEM, add=["manager"])
    deactivate_user(equal, by=manager)


def test_a32_nobody_adds_or_removes_somebody_with_more_rights(manager, owner, make_user, django_assert_max_num_queries):
    """Guard: populace/groups/guards.py:may_act_on_all; however many people, in one statement."""
    by_group, plain = UUID(make_user()["id"]), [UUID(make_user()["id"]) for _ in range(30)]
    change_members(made("strong", parents=[made("top", roles=["auditor"])]), by=SYSTEM, add=[by_group])
    club = made("club")
    change_members(club, by=SYSTEM, add=[owner, by_group])
    events = Event.objects.count()
    other = made("other")
    for person in (owner, by_group):
        for act in (
            lambda id: change_members(club, by=manager, remove=[id]),
            lambda id: change_members(other, by=manager, add=[*plain, id]),
        ):
            with pytest.raises(Forbidden):
                act(person)
    assert Event.objects.count() == events + 1  # the other group
    with django_assert_max_num_queries(25):
        assert change_members(other, by=manager, add=[*plain, manager.id])[0] == [*plain, manager.id]
    change_members(club, by=SYSTEM, remove=[owner, by_group])


def test_whoever_got_more_rights_meanwhile_keeps_their_roles(manager, make_user, monkeypatch):
    """Guard: populace/groups/actions.py:change_roles asks again behind the lock."""
    person = UUID(make_user()["id"])
    change_roles(person, by=SYSTEM, add=["viewer"])
    check = actions.check_roles

    def then_somebody_gives_more(names, field="roles"):
        found = check(names, field)
        monkeypatch.setattr(actions, "check_roles", check)
        if field == "remove":
            change_roles(person, by=SYSTEM, add=["auditor"])
        return found

    def first(names, field):
        monkeypatch.setattr(actions, "check_roles", then_somebody_gives_more)
        return check(names, field)

    monkeypatch.setattr(actions, "check_roles", first)
    with pytest.raises(Forbidden):
        change_roles(person, by=manager, remove=["viewer"])
    assert roles_of(person) == ["auditor", "viewer"]


def test_a_narrow_token_does_not_reach_its_own_owners_account(owner):
    """Or a token for writing people would set an administrator's password. Guard: as a32."""
    narrow = Actor(owner, permissions=frozenset({"users:read", "users:write"}))
    with pytest.raises(Forbidden):
        update_user(owner, by=narrow, values={"email": "mine@example.com"})


def test_a35_the_last_active_owner_stays(owner, make_user, give_role):
    """Guard: populace/groups/guards.py:owner_stays."""
    inactive = make_user(is_active=False)["id"]
    give_role(inactive, "owner")
    for act in (
        lambda: deactivate_user(owner, by=SYSTEM),
        lambda: erase_user(owner, by=SYSTEM),
        lambda: change_roles(owner, by=SYSTEM, remove=["owner"]),
    ):
        with pytest.raises(LastOwner):
            act()
    assert permissions_of(owner) == ALL
    second = UUID(make_user()["id"])
    change_roles(second, by=SYSTEM, add=["owner"])
    deactivate_user(owner, by=SYSTEM)
    with pytest.raises(LastOwner):
        erase_user(second, by=SYSTEM)
    activate_user(owner, by=SYSTEM)
    erase_user(second, by=SYSTEM)


def test_a35_owners_by_a_group_count(make_user):
    """Guard: populace/groups/reads.py:there_is_an_owner."""
    person = UUID(make_user()["id"])
    top = made("owners", roles=["owner"])
    group = made("board", parents=[top])
    change_members(group, by=SYSTEM, add=[person])
    for act in (
        lambda: deactivate_user(person, by=SYSTEM),
        lambda: change_members(group, by=SYSTEM, remove=[person]),
        lambda: update_group(top, by=SYSTEM, values={"roles": []}),
        lambda: nest(group),
        lambda: delete_group(top, by=SYSTEM),
        lambda: delete_group(group, by=SYSTEM),
    ):
        with pytest.raises(LastOwner):
            act()
    change_roles(person, by=SYSTEM, add=["owner"])
    delete_group(top, by=SYSTEM)
    assert permissions_of(person) == ALL


def test_changes_are_guarded_by_the_version_and_the_id():
    group = made("g")
    with pytest.raises(VersionMismatch):
        update_group(group, by=SYSTEM, values={"name": "x"}, expected=2)
    with pytest.raises(VersionMismatch):
        delete_group(group, by=SYSTEM, expected=2)
    for act in (lambda: update_group(uuid4(), by=SYSTEM, values={}), lambda: delete_group(uuid4(), by=SYSTEM)):
        with pytest.raises(GroupNotFound):
            act()
    with pytest.raises(GroupNotFound):
        change_members(uuid4(), by=SYSTEM, add=[])
    with pytest.raises(Invalid):
        change_members(group, by=SYSTEM, add=[uuid4() for _ in range(1001)])


def test_an_actor_may_nothing_unless_said():
    assert Actor(uuid4()).permissions == frozenset()
    assert replace(SYSTEM).permissions == ALL
