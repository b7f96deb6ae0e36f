"""What is left of a person who was erased: that something happened, nothing about them."""

import json
from uuid import UUID

import pytest
from django.apps import apps
from django.utils.timezone import now

from populace.audit.models import Event, Outbox
from populace.groups.models import Group, Membership
from populace.users import erasure
from populace.users.actions import erase_user, update_user
from populace.users.errors import UserNotFound
from populace.users.models import Identifier, User
from populace.users.reads import USER, user_id_of

pytestmark = pytest.mark.django_db


def about_people():
    """Every model with a `user_id` column or a foreign key to User."""
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if getattr(field, "attname", "") == "user_id" or (field.many_to_one and field.related_model is User):
                yield model


def test_every_model_about_a_person_says_how_it_forgets_them():
    named = {*erasure.ERASED, *erasure.EXEMPT}
    assert {model.__name__ for model in about_people()} - {model.__name__ for model in named} == set()
    assert all(len(reason) > 10 for reason in erasure.EXEMPT.values())
    assert not set(erasure.ERASED) & set(erasure.EXEMPT)


@pytest.fixture
def member(make_user):
    """A person with a membership, an attribute and a second event."""
    person = make_user(email="gone@example.org", username="gone", first_name="Secretia", attributes={"a": "Secretia"})
    (group,) = Group._base_manager.bulk_create([Group(name="Staff", name_normal="staff")])
    Membership._base_manager.bulk_create([Membership(user_id=UUID(person["id"]), group=group, since=now())])
    return person


def test_memberships_are_shown_until_then(member):
    (group,) = json.loads(USER.one(id=UUID(member["id"])))["groups"]
    assert group == {"id": str(Group.objects.get().id), "name": "Staff"}


def test_an_erased_person_leaves_no_row_and_no_value(member, make_user, actor):
    """A07. Guard: populace/users/actions.py:erase_user."""
    other = make_user(email="stays@example.org")
    user_id = UUID(member["id"])
    update_user(user_id, by=actor, values={"last_name": "Secretia"})

    erase_user(user_id, by=actor)

    assert USER.one(id=user_id) is None
    assert user_id_of("email", "gone@example.org") is None
    for model in about_people():
        assert not model._base_manager.filter(**{"pk" if model is User else "user_id": user_id}).exists()
    assert [(event.action, event.details and event.details["changes"]) for event in events_of(user_id)] == [
        ("user.created", None),
        ("user.updated", None),
        ("user.erased", {}),
    ]
    assert Outbox.objects.filter(subject_id=user_id, action="user.erased").count() == 1
    assert Group.objects.count() == 1
    assert json.loads(USER.one(id=UUID(other["id"]))) == other
    assert Event.objects.get(subject_id=other["id"]).details is not None


def events_of(user_id):
    return Event.objects.filter(subject_id=user_id).order_by("at")


def test_nobody_is_erased_twice_or_changed_afterwards(member, actor):
    erase_user(UUID(member["id"]), by=actor)
    with pytest.raises(UserNotFound):
        erase_user(UUID(member["id"]), by=actor)
    with pytest.raises(UserNotFound):
        update_user(UUID(member["id"]), by=actor, values={"first_name": "back"})


def test_the_same_address_makes_somebody_new(member, make_user, actor):
    """A07. Guard: populace/users/actions.py:erase_user."""
    erase_user(UUID(member["id"]), by=actor)
    again = make_user(email="gone@example.org", username="gone")
    assert again["id"] != member["id"]
    assert again["groups"] == []


@pytest.mark.django_db(transaction=True)
def test_a_failure_half_way_erases_nothing(member, actor, monkeypatch):
    def fail(user_id):
        raise RuntimeError("the last one fails")

    monkeypatch.setitem(erasure.ERASED, Outbox, fail)
    with pytest.raises(RuntimeError):
        erase_user(UUID(member["id"]), by=actor)
    assert USER.one(id=UUID(member["id"])) is not None
    assert Identifier.objects.filter(user_id=member["id"]).count() == 3
    assert events_of(member["id"]).get().details is not None
