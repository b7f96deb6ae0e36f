"""Exports of people: any list of them that is served, as a file."""

import json
from uuid import UUID

import pytest
from django.utils.timezone import now

from populace.audit.actors import SYSTEM, Actor
from populace.audit.models import Event
from populace.audit.permissions import ALL
from populace.bulk import exports
from populace.bulk.actions import create_job
from populace.bulk.models import Job, JobFile
from populace.groups.models import Group, Membership, RoleAssignment
from populace.users import attributes_index, attributes_kept
from populace.users.attributes_actions import replace_schema
from populace.users.documents import USER_FIELDS
from populace.users.models import AttributeSchema
from populace.users.tasks import index_attributes
from tests.support.exported import EXPORTS, asked, cells, exported, lines, work
from tests.support.workbooks import cells_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_parts")]

USERS = "/api/v1/users"


def listed(client, query=""):
    """Every document of the list, page by page."""
    page = client.get(f"{USERS}?limit=200&{query}").json()
    found = page["results"]
    while page["next"]:
        page = client.get(page["next"]).json()
        found += page["results"]
    return found


def test_json_lines_are_the_documents_of_the_list(client, make_user):
    for number in range(9):
        make_user(first_name=f"Ann{number}", attributes={"n": [number, None, "a\nb\\"]})
    assert lines(exported(client, format="jsonl")) == listed(client)


def test_a_csv_has_the_same_in_cells(client, make_user):
    """Guards: populace/infra/db/cells.py:SHAPES (quotes doubled, null as nothing, JSON for what nests)."""
    for name in ('quo"te', "com,ma", "back\\slash", "ünïcode 🎈", "per%cent", "'"):
        person = make_user(first_name=name, attributes={"name": name, "n": 1.5})
    group = Group(name='A "group"', name_normal="a")
    Group._base_manager.bulk_create([group])
    Membership._base_manager.bulk_create([Membership(user_id=UUID(person["id"]), group=group, since=now())])
    shown = cells(exported(client, format="csv", order="email"))
    documents = listed(client, "order=email")
    assert [list(row) for row in shown] == [list(USER_FIELDS)] * len(documents)
    for row, document in zip(shown, documents, strict=True):
        for name, value in document.items():
            nested = isinstance(value, dict | list | bool | int)
            assert (json.loads(row[name]) if nested else row[name]) == ("" if value is None else value)


def test_a_workbook_has_the_same_in_cells(client, make_user):
    make_user(first_name="ünïcode 🎈", attributes={"n": 1})
    shown = cells_of(exported(client, format="xlsx", order="email"))
    documents = listed(client, "order=email")
    assert shown[0] == list(USER_FIELDS)
    for row, document in zip(shown[1:], documents, strict=True):
        told = [json.dumps(value) if isinstance(value, dict | list) else value for value in document.values()]
        assert row == [None if value == "" else value for value in told]


@pytest.mark.parametrize(
    "parameters",
    [
        {"order": "email"},
        {"order": "-last_login"},
        {"is_active": "true"},
        {"is_active": "false", "order": "date_joined"},
        {"domain": "example.org"},
        {"domain": "example.com", "is_active": "true", "joined_after": "2000-01-01"},
        {"updated_before": "2999-01-01"},
        {"last_login_after": "2000-01-01"},
        {"email": "ann3@example.com"},
        {"email": "ann3@example.com", "is_active": "false"},
        {"username": "nobody"},
        {"q": "ann"},
        {"q": "ann smith", "is_active": "true"},
        {"q": "mith"},
    ],
    ids=str,
)
def test_every_list_is_exported_in_its_order(client, make_user, parameters):
    """Guard: populace/bulk/walks.py:Walk (goes on behind the last key, of a search by its pages)."""
    for number in range(7):
        make_user(
            username=f"ann{number}",
            email=f"ann{number}@example.{'org' if number % 3 else 'com'}",
            last_name="Smith",
            is_active=number != 5,
        )
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    order = {"order": parameters.pop("order")} if "order" in parameters else {}
    made = lines(exported(client, format="jsonl", filter=parameters, fields=["id"], **order))
    assert made == [{"id": document["id"]} for document in listed(client, query)]


def test_the_members_of_a_group_are_exported(client, make_user):
    group = Group(name="g", name_normal="g")
    Group._base_manager.bulk_create([group])
    ids = [make_user()["id"] for _ in range(5)]
    rows = [Membership(user_id=UUID(id), group=group, since=now()) for id in ids[1:]]
    Membership._base_manager.bulk_create(rows)
    assert [row["id"] for row in lines(exported(client, format="jsonl", filter={"group": str(group.id)}))] == ids[1:]
    downwards = cells(exported(client, format="csv", filter={"group": str(group.id)}, order="-id"))
    assert [row["id"] for row in downwards] == ids[:0:-1]


def test_the_people_with_an_attribute_are_exported(client, make_user):
    replace_schema({"properties": {"team": {"type": "string", "indexed": True}}}, by=SYSTEM)
    AttributeSchema._base_manager.update(stored_at=now() - 2 * attributes_index.SETTLED)
    index_attributes.call("event", "subject")
    attributes_kept.forget()
    ids = [make_user(attributes={"team": "red" if number else "blue"})["id"] for number in range(4)]
    made = lines(exported(client, format="jsonl", filter={"attributes.team": "red"}))
    assert [row["id"] for row in made] == ids[1:]


def test_fields_are_those_that_were_asked_for_in_the_documents_order(client, make_user):
    made = exported(client, format="csv", fields=["version", "id", "id"])
    assert made.splitlines()[0] == b"id,version"
    first, *_ = lines(exported(client, format="jsonl", fields=["version", "id"]))
    assert list(first) == ["id", "version"]


def test_an_empty_list_is_a_file_without_rows(client):
    assert exported(client, format="jsonl", filter={"domain": "nowhere.example"}) == b""
    assert exported(client, format="csv", filter={"domain": "nowhere.example"}, fields=["id"]) == b"id\n"
    assert cells_of(exported(client, format="xlsx", filter={"domain": "nowhere.example"}, fields=["id"])) == [["id"]]


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({}, "invalid", "/format"),
        ({"format": ["csv"]}, "invalid", "/format"),
        ({"format": "pdf"}, "invalid", "/format"),
        ({"format": "csv", "shape": "x"}, "invalid", "/shape"),
        ({"format": "csv", "filter": []}, "invalid", "/filter"),
        ({"format": "csv", "filter": {"is_active": True}}, "invalid", "/filter/is_active"),
        ({"format": "csv", "filter": {"is_active": "yes"}}, "invalid", "/filter/is_active"),
        ({"format": "csv", "filter": {"cursor": "x"}}, "invalid", "/filter/cursor"),
        ({"format": "csv", "filter": {"order": "email"}}, "invalid", "/filter/order"),
        ({"format": "csv", "filter": {"attributes.shoe": "44"}}, "not_indexed", "/filter/attributes.shoe"),
        ({"format": "csv", "filter": {"is_active": "true"}, "order": "email"}, "order_not_served", "/order"),
        ({"format": "csv", "order": "shoe"}, "unknown_parameter", "/order"),
        ({"format": "csv", "filter": {"q": "a b c d e"}}, "too_many", "/filter/q"),
        ({"format": "csv", "filter": {"q": "a"}, "order": "email"}, "order_not_served", "/filter/q"),
        ({"format": "csv", "fields": "id"}, "invalid", "/fields"),
        ({"format": "csv", "fields": []}, "invalid", "/fields"),
        ({"format": "csv", "fields": ["id", "password"]}, "invalid", "/fields/1"),
        ({"format": "csv", "fields": [{}]}, "invalid", "/fields/0"),
    ],
    ids=str,
)
def test_what_is_no_list_is_refused_where_it_stands(client, body, code, pointer):
    """Guard: populace/bulk/exports.py:asked"""
    response = client.post(EXPORTS, body)
    assert (response.status_code, response.json()["code"]) == (400, code)
    assert response.json()["errors"][0]["pointer"] == pointer
    assert not Job.objects.exists()


def test_who_may_not_read_people_exports_none(client_of, token, make_user):
    """Guard: populace/bulk/api.py:Exports (scopes)"""
    assert client_of(token("jobs:read", "jobs:write")).post(EXPORTS, {"format": "csv"}).json()["code"] == "scope"
    powerless = client_of(token("users:read", owner=make_user()["id"], role=None))
    assert powerless.post(EXPORTS, {"format": "csv"}).json()["code"] == "forbidden"


def test_who_loses_the_right_half_way_gets_nothing(make_user, give_role):
    """Guard: populace/bulk/running.py:Running.look, of every part."""
    owner = UUID(make_user()["id"])
    give_role(owner, "owner")
    for _ in range(9):
        make_user()
    job = create_job(asked(), by=Actor(owner, permissions=ALL))
    work(job, report=lambda job: RoleAssignment._base_manager.all().delete())
    found = Job.objects.get(pk=job.id)
    assert (found.state, found.code, found.done) == ("failed", "forbidden", 4)
    assert not JobFile.objects.exists()


def test_the_log_tells_what_was_asked_for_and_no_value(client, make_user):
    """Guard: populace/bulk/exports.py:told"""
    exported(client, format="csv", filter={"email": "ann@example.com"}, fields=["id", "email"])
    created = Event.objects.get(action="job.created")
    told = {name: change["new"] for name, change in created.details["changes"].items()}
    what = {"kind": "export", "list": "users", "format": "csv", "order": ""}
    assert told == what | {"filters": ["email"], "fields": ["id", "email"]}
    assert "ann@" not in json.dumps(created.details)
    assert Event.objects.get(action="export.downloaded").details["changes"]["rows"]["new"] == 0


def test_a_call_sent_twice_is_one_export(client):
    """Guard: populace/api/idempotency.py:_first (the subject of what is accepted)."""
    key = {"Idempotency-Key": "one-export"}
    first, second = (client.post(EXPORTS, {"format": "csv"}, headers=key) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert (first.json()["id"], first["Location"]) == (second.json()["id"], second["Location"])
    assert Job.objects.count() == 1


def test_a_workbook_has_so_many_rows(client, make_user, monkeypatch):
    """Guard: populace/bulk/exports.py:run (ROWS_MAX)"""
    monkeypatch.setattr(exports, "ROWS_MAX", 5)
    for _ in range(9):
        make_user()
    job = create_job(asked(format="xlsx"), by=SYSTEM)
    work(job)
    assert (Job.objects.get(pk=job.id).code, Job.objects.get(pk=job.id).done) == ("too_many", 4)


def test_a_workbook_cuts_no_value_short(make_user):
    """Guard: populace/bulk/workbook.py:_write (CELL_MAX)"""
    group = [Group(name=f"{number:0>190}", name_normal=f"{number:0>190}") for number in range(200)]
    Group._base_manager.bulk_create(group)
    person = UUID(make_user()["id"])
    Membership._base_manager.bulk_create([Membership(user_id=person, group=one, since=now()) for one in group])
    job = create_job(asked(format="xlsx"), by=SYSTEM)
    work(job)
    assert Job.objects.get(pk=job.id).code == "too_large"
