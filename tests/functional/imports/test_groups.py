"""Groups and roles of other systems: they become groups, found by name, without any right."""

import json

import pytest

from populace.audit.actors import Actor
from populace.audit.models import Event
from populace.groups.actions import create_group
from populace.groups.models import Group, GroupParent, GroupRole, Membership
from populace.users.models import User

pytestmark = pytest.mark.django_db


def groups_of(username: str) -> list[str]:
    return sorted(Membership.objects.filter(user__username=username).values_list("group__name", flat=True))


@pytest.mark.django_db(transaction=True)  # a password is hashed meanwhile: no transaction may be open
def test_the_roles_of_the_keycloak_realm_arrive_as_groups(run, realm):
    run(realm)
    assert groups_of("alice") == ["role:user"]
    assert groups_of("jdoe") == ["role:user", "role:user_premium"]
    assert groups_of("admin") == ["role:admin", "role:user"]
    assert groups_of("service-account-jakarta-servlet-authz-client") == ["role:uma_protection"]
    assert not GroupRole.objects.exists()
    assert Event.objects.filter(action="group.created").count() == 4
    assert Event.objects.filter(action="group.member_added").count() == 6


def test_a_path_becomes_a_group_below_those_on_the_way(run, tmp_path):
    users = [{"username": "ann", "groups": ["/staff/sales/emea", "/staff"]}, {"username": "bob", "groups": ["/x~/y"]}]
    (tmp_path / "realm").write_text(json.dumps({"users": users}))
    assert run(tmp_path / "realm").done == 2
    assert groups_of("ann") == ["/staff", "/staff/sales/emea"]
    assert sorted(Group.objects.values_list("name", flat=True)) == [
        "/staff",
        "/staff/sales",
        "/staff/sales/emea",
        "/x~/y",
    ]
    assert sorted(GroupParent.objects.values_list("group__name", "parent__name")) == [
        ("/staff/sales", "/staff"),
        ("/staff/sales/emea", "/staff/sales"),
    ]


def test_a_group_that_is_there_is_joined_whatever_the_spelling_of_its_name(import_people, actor):
    made = json.loads(create_group(by=actor, values={"name": "Éditors"}))
    import_people({"username": "ann", "groups": ["éDITORS"]})
    assert str(Membership.objects.get().group_id) == made["id"]
    assert Group.objects.count() == 1


def test_a_group_above_the_actor_is_forbidden(import_people, actor, give_role, make_user, codes):
    """populace/groups/batches.py:beyond; A49"""
    give_role(make_user()["id"], "owner")  # the roles are there
    create_group(by=actor, values={"name": "Owners", "roles": ["owner"]})
    some = Actor(id=actor.id, permissions=frozenset({"users:write", "groups:write"}))
    people = [{"username": "ann", "groups": ["owners"]}, {"username": "bob", "groups": ["harmless"]}]
    result = import_people(*people, by=some)
    assert codes(result) == [(1, "forbidden")]
    assert groups_of("bob") == ["harmless"]
    assert not User.objects.filter(username="ann").exists()
    assert import_people(*people[:1]).done == 1


def test_who_may_not_change_groups_brings_nobody_into_one(import_people, actor, codes):
    """populace/bulk/candidates.py:_faults_apart, populace/groups/batches.py:make_missing and beyond"""
    some = Actor(id=actor.id, permissions=frozenset({"users:write"}))
    result = import_people({"username": "ann", "groups": ["any"]}, {"username": "bob"}, by=some)
    assert codes(result) == [(1, "forbidden")]
    assert not Group.objects.exists()


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "a\nb", "/" + "/".join("abcdefghijklmnopqrstu"), "\ud800"])
def test_a_name_that_no_group_may_have_is_a_bad_row(import_people, name, codes):
    result = import_people({"username": "ann", "groups": [name]}, {"username": "bob"})
    assert [row for row, _ in codes(result)] == [1]
    assert result.errors[0][2].startswith("groups: ")
    assert not Group.objects.exists()
