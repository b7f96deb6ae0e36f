"""Lists by an indexed attribute, and how its values come into their table."""

import itertools
import json
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from populace.audit.actors import SYSTEM
from populace.infra.tasks.models import TaskRow
from populace.users import attributes_index
from populace.users.actions import create_users, erase_user, update_user
from populace.users.attributes_actions import replace_schema
from populace.users.attributes_index import fill_some, mark_filled, newest, text_of
from populace.users.models import AttributeSchema, AttributeValue
from populace.users.tasks import index_attributes

pytestmark = pytest.mark.django_db

USERS = "/api/v1/users"
INDEXED = {
    "properties": {
        "department": {"type": "string", "indexed": True},
        "floor": {"type": "number", "indexed": True},
        "remote": {"type": "boolean", "indexed": True},
        "note": {"type": "string"},
    }
}


def settle():
    """Let the stored schema be old enough that every process goes by it."""
    at = newest().stored_at - attributes_index.SETTLED - timedelta(seconds=1)
    AttributeSchema._base_manager.filter(version=newest().version).update(stored_at=at)


def work():
    """Do what the worker does after the schema's event."""
    settle()
    index_attributes.call("event", "subject")
    from populace.users import attributes_kept

    attributes_kept.forget()


@pytest.fixture
def indexed(db):
    replace_schema(INDEXED, by=SYSTEM)
    work()


def listed(client, **parameters):
    response = client.get(f"{USERS}?{urlencode(parameters)}")
    assert response.status_code == 200, response.content
    return [person["id"] for person in response.json()["results"]]


def refusal(client, **parameters):
    response = client.get(f"{USERS}?{urlencode(parameters)}")
    assert response.status_code == 400
    return response.json()["code"], response.json()["detail"]


def stored(person):
    rows = AttributeValue.objects.filter(user_id=person["id"]).order_by("name")
    return [(row.name, row.value) for row in rows]


def by_department(client, value):
    return listed(client, **{"attributes.department": value})


def test_people_are_listed_by_an_indexed_attribute_in_the_order_of_ids(client, make_user, indexed):
    people = [make_user(attributes={"department": f"D{n % 2}", "floor": n})["id"] for n in range(7)]
    assert by_department(client, "D0") == people[::2]
    assert listed(client, **{"attributes.department": "D1", "order": "-id"}) == people[1::2][::-1]
    assert by_department(client, "d0") == by_department(client, "") == []
    assert listed(client, **{"attributes.floor": "3.0"}) == [people[3]]


@pytest.mark.parametrize("order", ["id", "-id"])
def test_such_a_list_is_walked_to_its_end_and_back(client, make_user, indexed, order):
    people = [make_user(attributes={"department": "D"})["id"] for _ in range(5)]
    expected = people if order == "id" else people[::-1]
    path, pages, back = f"{USERS}?{urlencode({'attributes.department': 'D', 'order': order, 'limit': 2})}", [], []
    while path:
        body = client.get(path).json()
        pages.append([person["id"] for person in body["results"]])
        last, path = path, body["next"]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert list(itertools.chain(*pages)) == expected
    while last:
        body = client.get(last).json()
        back[:0], last = [person["id"] for person in body["results"]], body["previous"]
    assert back == expected


def test_it_is_one_statement_with_the_token(client, indexed):
    path = f"{USERS}?attributes.department=D"
    client.get(path)
    with CaptureQueriesContext(connection) as seen:
        client.get(path)
    assert len(seen) == 1


@pytest.mark.parametrize("kind", ["estimate", "capped", "exact"])
def test_it_is_counted(client, make_user, indexed, kind, monkeypatch):
    monkeypatch.setattr("populace.users.counts._remembered", {})
    for n in range(5):
        make_user(attributes={"department": f"D{n % 2}"})
    body = client.get(f"{USERS}?attributes.department=D0&count={kind}").json()
    assert body["count"] == {"value": 3, "kind": kind}


def test_beside_an_identifier_it_sifts(client, make_user, indexed):
    person = make_user(username="ann", attributes={"department": "D"})
    assert listed(client, username="ann", **{"attributes.department": "D"}) == [person["id"]]
    assert listed(client, username="ann", **{"attributes.department": "E"}) == []


def test_what_is_not_indexed_is_refused_with_what_is(client, indexed):
    for name in ("note", "nothing", "", "department.x", "Department"):
        code, detail = refusal(client, **{f"attributes.{name}": "x"})
        assert code == "not_indexed"
        assert "department, floor, remote" in detail
    assert refusal(client, **{"attributes.floor": "one"})[0] == "invalid"
    assert refusal(client, **{"attributes.floor": '"1"'})[0] == "invalid"
    assert refusal(client, **{"attributes.remote": "[true]"})[0] == "invalid"
    assert refusal(client, **{"attributes.floor": "1" * 5000})[0] == "invalid"
    for beside in ({"attributes.floor": "1"}, {"is_active": "true"}, {"order": "email"}, {"q": "ann"}):
        assert refusal(client, **{"attributes.department": "D"}, **beside)[0] == "order_not_served"


def test_numbers_texts_and_booleans_are_three(client, make_user, actor):
    replace_schema({"properties": {"x": {"type": "string", "indexed": True}}}, by=SYSTEM)
    work()
    text = make_user(attributes={"x": "1"})
    replace_schema({"properties": {"x": {"type": "number", "indexed": True}}}, by=SYSTEM)
    number = make_user(attributes={"x": 1})
    assert listed(client, **{"attributes.x": "1"}) == listed(client, **{"attributes.x": "1.00"}) == [number["id"]]
    replace_schema({"properties": {"x": {"type": "string", "indexed": True}}}, by=SYSTEM)
    assert listed(client, **{"attributes.x": "1"}) == [text["id"]]
    assert len({text_of(value) for value in ("1", 1, True, "true", 1.5, "")}) == 6
    assert text_of(None) is text_of([1]) is text_of({}) is None


def test_a_long_text_is_found_as_a_whole(client, make_user, indexed):
    long = "ß𝄞" * 2000
    person = make_user(attributes={"department": long})
    make_user(attributes={"department": long + "x"})
    assert by_department(client, long) == [person["id"]]
    [(_, value)] = stored(person)
    assert len(value) <= 202
    assert by_department(client, value) == []


def test_verbs_keep_the_values(client, make_user, actor, indexed):
    """Guard: populace/users/actions.py:create_user, create_users, _changed, erase_user."""
    person = make_user(attributes={"department": "D", "floor": 1, "note": "x"})
    assert stored(person) == [("department", "sD"), ("floor", "n1")]
    key = UUID(person["id"])
    update_user(key, by=actor, values={"attributes": {"department": "E", "remote": True}})
    assert stored(person) == [("department", "sE"), ("floor", "n1"), ("remote", "btrue")]
    update_user(key, by=actor, values={"first_name": "Ann"})
    update_user(key, by=actor, values={"attributes": {"floor": None}})
    assert stored(person) == [("department", "sE"), ("remote", "btrue")]
    update_user(key, by=actor, values={"attributes": None})
    assert stored(person) == []
    update_user(key, by=actor, values={"attributes": {"department": "F"}})
    erase_user(key, by=actor)
    assert stored(person) == []
    ids = create_users([{"username": f"u{n}", "attributes": {"department": f"D{n % 2}"}} for n in range(4)], by=actor)
    assert by_department(client, "D0") == [str(id) for id in ids[::2]]


def test_without_indexes_a_person_is_written_as_ever(make_user, actor):
    replace_schema({"properties": {"department": {"type": "string"}}}, by=SYSTEM)
    person = make_user(attributes={"department": "D"})
    with CaptureQueriesContext(connection) as seen:
        update_user(UUID(person["id"]), by=actor, values={"attributes": {"department": "E"}})
        make_user(attributes={"department": "F"})
    assert not any("attributevalue" in query["sql"] for query in seen)


def test_an_index_serves_once_it_is_filled_and_no_sooner(client, make_user, actor):
    """Guard: populace/users/filters.py:wanted, populace/users/attributes_index.py:fill_some."""
    before = [make_user(attributes={"department": "D"})["id"] for _ in range(3)]
    make_user(attributes={"note": "x"})
    replace_schema(INDEXED, by=SYSTEM)
    after = make_user(attributes={"department": "D"})["id"]
    code, detail = refusal(client, **{"attributes.department": "D"})
    assert (code, "being built" in detail) == ("not_indexed", True)
    work()
    assert by_department(client, "D") == [*before, after]


def test_filling_begins_when_every_process_knows(make_user):
    """A process that keeps the schema before this one writes no values yet. Guard: users/tasks.py:index_attributes."""
    make_user(attributes={"department": "D"})
    replace_schema(INDEXED, by=SYSTEM)
    index_attributes.call("event", "subject")
    assert not AttributeValue.objects.exists()
    row = TaskRow.objects.get()
    assert row.due_at == newest().stored_at + attributes_index.SETTLED
    assert newest().filled == []


def test_filling_goes_on_where_it_stopped(make_user, monkeypatch):
    people = [make_user(attributes={"department": "D"}) for _ in range(5)]
    replace_schema(INDEXED, by=SYSTEM)
    settle()
    monkeypatch.setattr("populace.users.attributes_index.PEOPLE", 2)
    monkeypatch.setattr("populace.users.tasks.WORK_S", -1)
    index_attributes.call("event", "subject")
    runs = 1
    while task := TaskRow.objects.order_by("id").first():
        assert task.args["args"][:3] == ["event", "subject", 1]
        task.delete()
        index_attributes.call(*task.args["args"])
        runs += 1
    assert (runs, [len(stored(person)) for person in people]) == (4, [1] * 5)
    assert newest().filled == ["department", "floor", "remote"]


def test_filling_ends_where_another_schema_was_stored(make_user):
    make_user(attributes={"department": "D"})
    replace_schema(INDEXED, by=SYSTEM)
    replace_schema({"properties": {"floor": {"type": "number", "indexed": True}}}, by=SYSTEM)
    settle()
    index_attributes.call("event", "subject", 1)
    assert (newest().filled, AttributeValue.objects.count()) == ([], 0)


def test_a_step_makes_right_whatever_stands_there(make_user):
    """Values that a process wrote which did not know the schema yet, or too late."""
    wrong, none, extra = (make_user(attributes=given) for given in ({"department": "D"}, {"floor": 2}, {}))
    replace_schema(INDEXED, by=SYSTEM)
    AttributeValue._base_manager.bulk_create(
        AttributeValue(user_id=person["id"], name="department", value="sOld") for person in (wrong, extra)
    )
    for _ in range(2):
        fill_some(newest(), UUID(int=0))
        assert [stored(person) for person in (wrong, none, extra)] == [[("department", "sD")], [("floor", "n2")], []]


def test_a_value_that_is_there_already_is_written_again_without_harm(make_user, actor, indexed):
    """Guard: populace/users/models.py:AttributeValue.repeatable."""
    person = make_user()
    AttributeValue._base_manager.bulk_create([AttributeValue(user_id=person["id"], name="floor", value="n1")])
    update_user(UUID(person["id"]), by=actor, values={"attributes": {"floor": 1, "department": "D"}})
    assert stored(person) == [("department", "sD"), ("floor", "n1")]


def test_what_is_indexed_no_more_goes_and_the_rest_stays_served(client, make_user, indexed):
    person = make_user(attributes={"department": "D", "floor": 1})
    replace_schema({"properties": {"floor": {"type": "number", "indexed": True}}}, by=SYSTEM)
    assert listed(client, **{"attributes.floor": "1"}) == [person["id"]]
    assert refusal(client, **{"attributes.department": "D"})[0] == "not_indexed"
    work()
    assert stored(person) == [("floor", "n1")]
    replace_schema(INDEXED, by=SYSTEM)
    assert "being built" in refusal(client, **{"attributes.department": "D"})[1]
    work()
    assert by_department(client, "D") == [person["id"]]


def test_clearing_goes_in_steps(make_user, indexed, monkeypatch):
    monkeypatch.setattr("populace.users.attributes_index.VALUES", 2)
    for _ in range(5):
        make_user(attributes={"department": "D", "floor": 1})
    replace_schema({}, by=SYSTEM)
    work()
    assert not AttributeValue.objects.exists()


def test_the_worker_is_told_by_the_event(make_user):
    from populace.audit.dispatch import dispatch

    replace_schema(INDEXED, by=SYSTEM)
    while dispatch():
        pass
    assert [row.name for row in TaskRow.objects.filter(lane=2)] == ["populace.users.tasks.index_attributes"]


def test_marking_is_for_the_schema_that_was_filled(indexed):
    old = newest()
    replace_schema({"properties": {"other": {"type": "string", "indexed": True}}}, by=SYSTEM)
    mark_filled(old)
    assert (newest().filled, json.loads(newest().schema)["properties"].keys()) == ([], {"other"})
