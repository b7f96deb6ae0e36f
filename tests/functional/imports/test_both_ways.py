"""The same files by the short way and COPY, and by serializer and ORM: the same rows, events and bad rows."""

import json

import pytest

from populace.audit.models import Event, Outbox
from populace.bulk import candidates
from populace.users import batches
from populace.users.attributes_actions import replace_schema
from populace.users.models import AttributeValue, Identifier, User
from tests.support.imports import numbers

pytestmark = pytest.mark.django_db

PEOPLE = [
    {"external_id": "1", "username": "Ann", "email": "Ann@Example.org", "first_name": "Ann\\", "last_name": "Łee"},
    {"external_id": "b\\s", "phone": "+43 1 2345678", "locale": "de", "timezone": "Europe/Vienna", "is_active": False},
    {"username": "сосо", "attributes": {"team": 'r"e\\d', "n": 1}},
    {"username": "coco"},  # looks the same
    {"username": "ann", "email": "ann2@example.org"},  # somebody of the file
    {"external_id": "1", "last_name": "Lee"},
    {"kind": "service", "username": "bot", "attributes": {"team": "{red}"}},
    {"email": "nobody"},
    {"email": "zoë@example.org"},
    {"email": "ann+x@münchen.example", "email_verified": True, "first_name": "ｆｕｌｌ"},
    {"username": "hash", "password_hash": "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$" + "A" * 43},
    {"username": "in", "groups": ["one"]},
]


def snapshot():
    """Return all that was written, without what differs from run to run: ids and times."""
    people = {one.id: one for one in User.objects.all()}
    name = {id: one.external_id or one.username_normal or one.email_normal for id, one in people.items()}
    apart = {"id", "date_joined", "updated_at"}
    return {
        "people": sorted(
            json.dumps([str(getattr(one, f.attname)) for f in User._meta.concrete_fields if f.attname not in apart])
            for one in people.values()
        ),
        "identifiers": sorted((one.key, name[one.user_id], one.unicode_version) for one in Identifier.objects.all()),
        "values": sorted((name[one.user_id], one.name, one.value) for one in AttributeValue.objects.all()),
        "events": sorted(
            (name[one.subject_id], one.action, str(one.actor), one.request_id, json.dumps(one.details, sort_keys=True))
            for one in Event.objects.filter(subject_kind="user").exclude(action="group.member_added")
        ),
        "outbox": sorted(
            (name[one.subject_id], one.action, one.quiet)
            for one in Outbox.objects.exclude(action__startswith="job").exclude(action__startswith="group.")
        ),
        "told": set(Event.objects.filter(action="user.created").values_list("id", flat=True))
        == set(Outbox.objects.filter(action="user.created").values_list("event_id", flat=True)),
    }


@pytest.mark.parametrize("on_conflict", ["skip", "update", "fail"])
@pytest.mark.parametrize("welcome", [False, True])
def test_both_ways_write_the_same_rows(import_people, actor, monkeypatch, on_conflict, welcome):
    """populace/users/copying.py, populace/users/incoming.py, populace/bulk/candidates.py:_fill_plain"""
    replace_schema({"properties": {"team": {"type": "string", "indexed": True}}}, by=actor)
    Outbox._base_manager.all().delete()
    asked = {"on_conflict": on_conflict, "welcome": welcome}
    short = import_people(*PEOPLE, **asked)
    found = snapshot()
    for model in (Identifier, AttributeValue, Event, Outbox):
        model._base_manager.all().delete()
    User._base_manager.all().delete()
    monkeypatch.setattr(batches, "copies", lambda using: False)
    monkeypatch.setattr(candidates, "plain", lambda given: None)
    long = import_people(*PEOPLE, **asked)
    assert snapshot() == found
    assert short.errors == long.errors
    assert numbers(short) == numbers(long)
    assert found["told"] is True
    assert len(found["people"]) >= 7
