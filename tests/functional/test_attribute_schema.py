"""Attributes under the schema that an operator stored: what it lets in, at which door, and from when on."""

import json
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from populace.audit.models import Event, Outbox
from populace.users import attributes_kept
from populace.users.actions import create_user, create_users, update_user
from populace.users.attributes import check
from populace.users.attributes_actions import SUBJECT, replace_schema
from populace.users.errors import Forbidden, Invalid, VersionMismatch
from populace.users.models import AttributeSchema, User

pytestmark = pytest.mark.django_db

SCHEMA = "/api/v1/attribute-schema"
USERS = "/api/v1/users"
DEPARTMENT = {
    "type": "object",
    "properties": {
        "department": {"type": "string", "enum": ["D1", "D2"]},
        "floor": {"type": "integer", "minimum": 0},
        "badge": {"type": "object", "properties": {"no": {"type": "string", "pattern": "^[0-9]+$"}}},
    },
    "required": ["department"],
    "additionalProperties": False,
}


@pytest.fixture
def schema(client):
    """Return `schema(document) -> response`: it is stored."""

    def put(document):
        response = client.put(SCHEMA, document)
        assert response.status_code == 200, response.content
        return response

    return put


def faults(response):
    assert (response.status_code, response.json()["code"]) == (400, "invalid"), response.content
    return {(fault["pointer"], fault["code"]) for fault in response.json()["errors"]}


def test_without_a_schema_everything_is_allowed(client):
    response = client.get(SCHEMA)
    assert (response.status_code, response.json(), response["ETag"][:3]) == (200, {}, '"0.')
    assert client.post(USERS, {"username": "ann", "attributes": {"x": [1, {"y": None}]}}).status_code == 201


def test_a_schema_comes_back_as_it_was_sent(client, schema):
    """Its names in their order, too: jsonb would sort them."""
    sent = {"title": "Zoë", "properties": {"b": True, "a": {"type": "number", "x": 0} | {"minimum": 1.50}}}
    del sent["properties"]["a"]["x"]
    stored = schema(sent)
    read = client.get(SCHEMA)
    assert read.content == stored.content == json.dumps(sent, ensure_ascii=False).encode()
    assert read["ETag"] == stored["ETag"]
    assert read["ETag"].startswith('"1.')


def test_each_schema_is_a_version_and_an_event(client, schema, actor):
    schema({"minProperties": 0})
    schema({"minProperties": 0})
    schema(DEPARTMENT)
    assert [row.version for row in AttributeSchema.objects.order_by("version")] == [1, 2]
    events = Event.objects.filter(subject_id=SUBJECT).order_by("at")
    assert [(event.action, event.subject_kind) for event in events] == [
        ("attribute_schema.updated", "attribute_schema")
    ] * 2
    assert events[1].details["changes"] == {"schema": {"old": {"minProperties": 0}, "new": DEPARTMENT}}
    assert Outbox.objects.filter(subject_id=SUBJECT, quiet=False).count() == 2
    [shown, _] = client.get(f"/api/v1/events?subject={SUBJECT}").json()["results"]
    assert (shown["action"], shown["subject_kind"]) == ("attribute_schema.updated", "attribute_schema")


def test_if_match_names_the_version(client, schema):
    first = client.get(SCHEMA)["ETag"]
    second = client.put(SCHEMA, {"minProperties": 0}, headers={"If-Match": first})
    assert second.status_code == 200
    for stale in (first, '"7.00000000"', '"x"'):
        response = client.put(SCHEMA, DEPARTMENT, headers={"If-Match": stale})
        assert (response.status_code, response.json()["code"]) == (412, "precondition_failed")
    assert client.put(SCHEMA, DEPARTMENT, headers={"If-Match": second["ETag"]}).status_code == 200
    with pytest.raises(VersionMismatch):
        replace_schema({}, by=_admin(), expected=1)


def _admin():
    from populace.audit.actors import SYSTEM

    return SYSTEM


def test_a_put_sent_twice_with_a_key_is_one(client):
    key = {"Idempotency-Key": "once"}
    first, other = client.put(SCHEMA, DEPARTMENT, headers=key), client.put(SCHEMA, {"minProperties": 0})
    again = client.put(SCHEMA, DEPARTMENT, headers=key)
    assert (again.status_code, again["Idempotency-Replayed"], again.content) == (200, "true", other.content)
    assert first.status_code == 200
    assert AttributeSchema.objects.count() == 2


def test_who_may_read_people_reads_the_schema_and_admin_alone_stores_one(client_of, token, actor):
    reader = client_of(token("users:read"))
    assert reader.get(SCHEMA).status_code == 200
    for secret in (token("users:read", "users:write"), token("admin", role="manager")):
        assert client_of(secret).put(SCHEMA, {}).status_code == 403
    assert client_of(token("users:write")).get(SCHEMA).status_code == 403
    assert client_of(None).get(SCHEMA).status_code == 401
    with pytest.raises(Forbidden):
        replace_schema({"minProperties": 0}, by=actor)
    assert not AttributeSchema.objects.exists()


DOORS = {
    "create_user": lambda actor, person, given: create_user(by=actor, values={"username": "bob", "attributes": given}),
    "create_users": lambda actor, person, given: create_users(
        [{"username": "bob", "attributes": given}, {"username": "cem", "attributes": {"department": "D1"}}], by=actor
    ),
    "update_user": lambda actor, person, given: update_user(UUID(person["id"]), by=actor, values={"attributes": given}),
}


@pytest.mark.parametrize("door", DOORS)
def test_no_verb_takes_what_the_schema_does_not(make_user, actor, door):
    """Guard: populace/users/rows.py:new_user, apply."""
    person = make_user()
    replace_schema(DEPARTMENT, by=_admin())
    before = User.objects.count()
    with pytest.raises(Invalid) as refused:
        DOORS[door](actor, person, {"department": "D3"})
    assert refused.value.field == "attributes/department"
    assert User.objects.count() == before
    DOORS[door](actor, person, {"department": "D2"})


def test_every_fault_is_told_at_its_place(client, schema):
    schema(DEPARTMENT)
    given = {"floor": -1, "badge": {"no": "x"}, "a/b": "hunter2"}
    response = client.post(USERS, {"username": "ann", "attributes": given})
    assert faults(response) == {
        ("/attributes/department", "required"),
        ("/attributes/floor", "invalid"),
        ("/attributes/badge/no", "invalid"),
        ("/attributes/a~1b", "unknown_field"),
    }
    assert "hunter2" not in response.text
    assert faults(client.post(USERS, {"username": "ann"})) == {("/attributes/department", "required")}
    assert not User.objects.filter(username="ann").exists()


def test_a_fault_of_the_whole_points_at_attributes(client, schema):
    schema({"maxProperties": 1})
    given = {"username": "ann", "attributes": {"a": 1, "b": 2}}
    assert faults(client.post(USERS, given)) == {("/attributes", "invalid")}


def test_a_refusal_is_small_and_repeats_nothing(client, schema):
    names = {f"secret{n}": n for n in range(500)}
    schema({"propertyNames": {"maxLength": 2}, "additionalProperties": {"const": "x"}})
    response = client.post(USERS, {"username": "ann", "attributes": names})
    assert len(response.json()["errors"]) == 20
    assert all("secret" not in fault["detail"] for fault in response.json()["errors"])


def test_a_merge_patch_is_checked_as_the_whole_it_makes(client, schema, make_user):
    schema(DEPARTMENT)
    person = make_user(attributes={"department": "D1", "floor": 2})
    path = f"{USERS}/{person['id']}"
    assert faults(client.patch(path, {"attributes": {"department": None}})) == {("/attributes/department", "required")}
    assert faults(client.patch(path, {"attributes": None})) == {("/attributes/department", "required")}
    changed = client.patch(path, {"attributes": {"floor": None}})
    assert changed.json()["attributes"] == {"department": "D1"}


def test_what_people_have_stays_until_their_attributes_change(client, schema, make_user):
    person = make_user(attributes={"department": "D9"})
    schema(DEPARTMENT)
    path = f"{USERS}/{person['id']}"
    assert client.patch(path, {"first_name": "Ann", "attributes": {"department": "D9"}}).status_code == 200
    assert faults(client.patch(path, {"attributes": {"floor": 1}})) == {("/attributes/department", "invalid")}
    assert client.patch(path, {"attributes": {"department": "D1"}}).json()["attributes"] == {"department": "D1"}


def test_a_schema_is_read_once_a_second_and_counts_elsewhere_after_that(make_user, actor, monkeypatch):
    """Guard: populace/users/attributes_kept.py:current."""
    clock = [1000.0]
    monkeypatch.setattr("populace.users.attributes_kept.monotonic", lambda: clock[0])
    attributes_kept.forget()
    with CaptureQueriesContext(connection) as seen:
        for _ in range(50):
            check({"department": "D3"})
    assert len(seen) == 1
    replace_schema(DEPARTMENT, by=_admin())
    monkeypatch.setattr("populace.users.attributes_kept._until", clock[0] + attributes_kept.KEPT_S)  # another process
    check({"department": "D3"})
    clock[0] += attributes_kept.KEPT_S
    with CaptureQueriesContext(connection) as seen, pytest.raises(Invalid):
        check({"department": "D3"})
    assert len(seen) == 1


def test_a_person_costs_one_statement_with_a_schema_as_without(make_user, actor):
    replace_schema(DEPARTMENT, by=_admin())
    make_user(attributes={"department": "D1"})
    with CaptureQueriesContext(connection) as seen:
        create_user(by=actor, values={"username": "bob", "attributes": {"department": "D1"}})
    if connection.vendor == "postgresql":
        assert len(seen) == 1, [query["sql"] for query in seen]


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"type": "array"}, "/type"),
        ({"$ref": "http://127.0.0.1:9/x"}, "/$ref"),
        ({"properties": {"a": {"minLenght": 1}}}, "/properties/a/minLenght"),
        ({"properties": {"a": {"minimum": "1"}}}, "/properties/a/minimum"),
        ({"properties": {"a": {"type": "text"}}}, "/properties/a/type"),
        ({"properties": {"a": 1}}, "/properties/a"),
        ({"properties": []}, "/properties"),
        ({"allOf": [{}, {"pattern": "["}]}, "/allOf/1/pattern"),
        ({"format": "regex"}, "/format"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema"),
        ({"properties": {"a": {"indexed": True}}}, "/properties/a/indexed"),
        ({"properties": {"a": {"type": ["string", "null"], "indexed": True}}}, "/properties/a/indexed"),
        ({"properties": {"a": {"type": "string", "indexed": "yes"}}}, "/properties/a/indexed"),
        ({"properties": {"a": {"items": {"type": "string", "indexed": True}}}}, "/properties/a/items/indexed"),
        ({"properties": {"a b": {"type": "string", "indexed": True}}}, "/properties/a b/indexed"),
        ({"properties": {f"p{n}": {"type": "string", "indexed": True} for n in range(21)}}, "/properties"),
    ],
    ids=str,
)
def test_what_is_no_schema_of_ours_is_refused_at_its_place(client, document, place):
    response = client.put(SCHEMA, document)
    assert place in {pointer for pointer, _ in faults(response)}
    assert not AttributeSchema.objects.exists()
