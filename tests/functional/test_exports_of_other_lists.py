"""Exports of groups and of events: what their lists serve, as a file."""

import json
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from populace.audit import reads
from populace.audit.actors import SYSTEM, Actor
from populace.audit.dispatch import dispatch
from populace.audit.documents import EVENT_FIELDS
from populace.audit.models import Feed
from populace.audit.permissions import ALL
from populace.audit.reads import events
from populace.bulk import exports
from populace.bulk.actions import create_job
from populace.bulk.exported import EXPORTED
from populace.bulk.models import Job
from populace.bulk.reads import blocks_of, results_of
from populace.groups.actions import create_group
from populace.groups.documents import GROUP_FIELDS
from populace.groups.models import RoleAssignment
from populace.infra.tasks.current import Again
from tests.support.events import AT
from tests.support.exported import EXPORTS, asked, cells, exported, lines, work
from tests.support.workbooks import cells_of, sheet_name_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_parts")]

GROUPS, EVENTS = "/api/v1/groups", "/api/v1/events"


@pytest.fixture
def narrow():
    """The statements of lists of events, compiled anew: they are kept as of the first call."""
    yield events
    events.cache_clear()


@pytest.fixture
def groups():
    """Seven groups, some of which a spreadsheet would compute, and one below another."""
    made = [
        json.loads(create_group(by=SYSTEM, values={"name": f"{name} {n}", "description": f"{name}tell"}))["id"]
        for n, name in enumerate(("=1+1", "@sum", 'quo"te', "com,ma", "'=x", "ünïcode 🎈"))
    ]
    child = {"name": "child", "parents": [{"parent_id": UUID(made[0])}], "roles": ["auditor"]}
    create_group(by=SYSTEM, values=child)


def listed(client, path):
    """Every document of a list, page by page."""
    found = []
    while path:
        page = client.get(path).json()
        found += page["results"]
        path = page["next"]
    return found


def test_groups_as_json_lines_are_the_documents_of_the_list(client, groups):
    assert lines(exported(client, list="groups", format="jsonl")) == listed(client, GROUPS)


def test_a_csv_of_groups_has_the_same_in_cells_that_compute_nothing(client, groups):
    """Guard: populace/infra/db/cells.py:GUARD"""
    shown = cells(exported(client, list="groups", format="csv"))
    assert [list(row) for row in shown] == [list(GROUP_FIELDS)] * 7
    documents = {group["id"]: group for group in listed(client, GROUPS)}
    for row in shown:
        group = documents[row["id"]]
        assert row["name"] == ("'" if group["name"][0] in "=@'" else "") + group["name"]
        assert json.loads(row["parents"]) == group["parents"]
        assert (json.loads(row["roles"]), int(row["version"])) == (group["roles"], group["version"])


def test_a_workbook_of_groups_is_named_after_them(client, groups):
    made = exported(client, list="groups", format="xlsx", fields=["name", "id"])
    assert sheet_name_of(made) == "groups"
    assert [row[0] for row in cells_of(made)[1:]] == [group["id"] for group in listed(client, GROUPS)]


def test_all_events_are_exported_newest_first(client, make_user):
    for _ in range(9):
        make_user()
    dispatch()
    made = lines(exported(client, list="events", format="jsonl"))
    assert len(made) >= 9
    assert made == listed(client, EVENTS)[-len(made) :]  # what has happened since comes before


@pytest.mark.parametrize(
    ("filter", "count"),
    [
        ({"subject": str(UUID(int=1))}, 7),
        ({"actor": str(UUID(int=2))}, 13),
        ({"actor": str(UUID(int=2)), "action": "thing.begun"}, 1),
        ({"action": "thing.done", "from": "2026-05-04", "to": "2026-05-05"}, 12),
        ({"action": "thing.done", "from": "2026-05-05"}, 0),
        ({"subject": str(UUID(int=1)), "actor": str(UUID(int=2)), "action": "thing.done"}, 7),
        ({"actor": str(UUID(int=2)), "action": "thing.undone"}, 0),
    ],
    ids=str,
)
@pytest.mark.parametrize("examined", [3, 10_000])
def test_every_list_of_events_is_exported_in_its_order(client, happen, narrow, monkeypatch, filter, count, examined):
    """Guard: populace/bulk/exported.py:Rows.step (goes on where a search has ended early)."""
    monkeypatch.setattr(reads, "EXAMINED", examined)
    narrow.cache_clear()
    happen(7, subject_id=UUID(int=1), actor=UUID(int=2), action="thing.done")
    happen(5, actor=UUID(int=2), action="thing.done")
    happen(1, AT - timedelta(days=9), actor=UUID(int=2), action="thing.begun")
    happen(5)
    made = lines(exported(client, list="events", format="jsonl", filter=filter))
    query = "&".join(f"{name}={value}" for name, value in filter.items())
    assert len(made) == count
    assert made == listed(client, f"{EVENTS}?limit=200&{query}")


def test_a_csv_of_a_search_of_the_log_has_the_rows_of_its_json_lines(client, happen, narrow, monkeypatch):
    monkeypatch.setattr(reads, "EXAMINED", 3)
    narrow.cache_clear()
    for action in ("a.b", "c.d", "a.b"):
        happen(4, actor=UUID(int=2), action=action, subject_id=UUID(int=1))
    body = {"list": "events", "filter": {"actor": str(UUID(int=2)), "action": "a.b"}, "fields": ["id", "at"]}
    assert lines(exported(client, format="jsonl", **body)) == cells(exported(client, format="csv", **body))


def test_parts_that_found_nothing_are_no_files(happen, narrow, monkeypatch, small_parts):
    """Guard: populace/bulk/exports.py:_write (number and not st_size)"""
    monkeypatch.setattr(reads, "EXAMINED", 3)
    narrow.cache_clear()
    happen(40, actor=UUID(int=2), action="a.b")
    happen(1, AT - timedelta(days=9), actor=UUID(int=2), action="c.d")
    filter = {"actor": str(UUID(int=2)), "action": "c.d"}
    job = create_job(asked(list="events", filter=filter), by=SYSTEM)
    work(job)
    assert Job.objects.get(pk=job.id).result == {"rows": 1}
    assert (
        len([path for path in small_parts.rglob("*") if path.is_file()]) == 2
    )  # the first part, and the one with a row


def test_a_part_ends_early_where_its_steps_take_long(happen, monkeypatch):
    """Guard: populace/bulk/exports.py:_write (until): the job's lease is renewed behind each part."""
    monkeypatch.setattr(exports, "PART_S", 0)
    happen(9, action="a.b")
    job = create_job(asked(list="events", filter={"action": "a.b"}), by=SYSTEM)
    done = []
    work(job, report=lambda job: done.append(job.done))
    assert sorted({*done}) == [2, 4, 6, 8, 9]


@pytest.mark.parametrize(
    "body",
    [{"list": "groups"}, {"list": "events"}, {"list": "events", "filter": {"action": "group.created"}}],
    ids=str,
)
def test_whoever_goes_on_does_so_behind_the_last_part_that_counts(groups, body):
    """Each row once. Guard: populace/bulk/exports.py:run (position)"""
    dispatch()
    whole, rested = (create_job(asked(fields=["id"], **body), by=SYSTEM) for _ in range(2))
    work(whole)
    rests = 0
    while not Job.objects.get(pk=rested.id).is_over:
        try:
            work(rested, stopping=lambda: True)
        except Again:
            rests += 1
    assert rests >= 1
    jobs = [Job.objects.get(pk=job.id) for job in (whole, rested)]
    texts = [b"".join(blocks_of(job, results_of([job])[job.id])) for job in jobs]
    assert len(lines(texts[0])) >= 7
    assert texts[0] == texts[1]


def test_a_csv_of_events_has_the_same_in_cells(client, make_user):
    person = make_user(first_name='=1+"1"')
    (row,) = cells(exported(client, list="events", format="csv", filter={"subject": person["id"]}))
    (event,) = listed(client, f"{EVENTS}?subject={person['id']}")
    assert list(row) == list(EVENT_FIELDS)
    assert json.loads(row.pop("changes")) == event.pop("changes")
    assert row == event


def test_fields_are_those_of_the_list(client, happen):
    happen(1, action="thing.done")
    body = {"list": "events", "filter": {"action": "thing.done"}, "fields": ["action", "address"]}
    # What is null is nothing: populace/infra/db/cells.py:cell_of.
    assert exported(client, format="csv", **body) == b'action,address\n"thing.done",\n'
    assert lines(exported(client, format="jsonl", **body)) == [{"action": "thing.done", "address": None}]


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"list": "people"}, "invalid", "/list"),
        ({"list": ["events"]}, "invalid", "/list"),
        ({"list": "groups", "filter": {"q": "a"}}, "invalid", "/filter/q"),
        ({"list": "groups", "order": "name"}, "order_not_served", "/order"),
        ({"list": "groups", "fields": ["email"]}, "invalid", "/fields/0"),
        ({"list": "events", "filter": {"is_active": "true"}}, "invalid", "/filter/is_active"),
        ({"list": "events", "filter": {"attributes.team": "red"}}, "invalid", "/filter/attributes.team"),
        ({"list": "events", "filter": {"subject": "me"}}, "invalid", "/filter/subject"),
        ({"list": "events", "filter": {"from": "2026-05-04"}}, "order_not_served", "/filter/from"),
        ({"list": "events", "order": "at"}, "order_not_served", "/order"),
    ],
    ids=str,
)
def test_what_is_no_list_is_refused_where_it_stands(client, body, code, pointer):
    """Guard: populace/bulk/exports.py:asked, populace/bulk/exported.py:_in_its_order"""
    response = client.post(EXPORTS, {"format": "csv"} | body)
    assert (response.status_code, response.json()["code"]) == (400, code)
    assert response.json()["errors"][0]["pointer"] == pointer
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("list", "needed"), [("users", "users:read"), ("groups", "groups:read"), ("events", "events:read")]
)
def test_a_list_is_exported_by_whoever_may_read_it_and_by_nobody_else(client_of, token, list, needed):
    """Guard: populace/bulk/api.py:Exports.post (require)"""
    body = {"list": list, "format": "csv"}
    assert client_of(token(needed)).post(EXPORTS, body).status_code == 202
    others = {"users:read", "groups:read", "events:read"} - {needed}
    refused = client_of(token(*others)).post(EXPORTS, body)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope")
    assert needed in refused.json()["detail"]


def test_a_call_sent_twice_is_answered_to_who_may_read_the_list(client_of, token, make_user):
    """Guard: populace/bulk/api.py:Exports.repeat"""
    owner = make_user()["id"]
    call = {"path": EXPORTS, "body": {"format": "csv"}, "headers": {"Idempotency-Key": "one-export"}}
    mine, other = client_of(token("users:read", owner=owner)), client_of(token("groups:read", owner=owner))
    assert mine.post(**call).json()["id"] == mine.post(**call).json()["id"]
    assert other.post(**call).json()["code"] == "scope"


def test_the_file_is_for_whoever_may_still_read_the_list(client_of, token, make_user):
    """Guard: populace/bulk/kinds.py:Kind.needs"""
    owner = make_user()["id"]
    mine = client_of(token("events:read", "jobs:read", owner=owner))
    job = mine.post(EXPORTS, {"list": "events", "format": "csv"}).json()
    work(Job.objects.get(pk=job["id"]))
    assert mine.get(f"/api/v1/jobs/{job['id']}/result").status_code == 200
    other = client_of(token("users:read", "groups:read", "jobs:read", owner=owner))
    assert other.get(f"/api/v1/jobs/{job['id']}/result").status_code == 403


def test_who_loses_the_right_half_way_gets_nothing(make_user, give_role, happen):
    """Guard: populace/bulk/running.py:Running.look, of every part."""
    owner = UUID(make_user()["id"])
    give_role(owner, "owner")
    happen(9, action="thing.done")
    job = create_job(asked(list="events", filter={"action": "thing.done"}), by=Actor(owner, permissions=ALL))
    work(job, report=lambda job: RoleAssignment._base_manager.all().delete())
    found = Job.objects.get(pk=job.id)
    assert (found.state, found.code, found.done) == ("failed", "forbidden", 4)


def test_how_much_of_the_log_there_is_to_do_is_known(happen, make_user):
    for _ in range(9):
        make_user()
    dispatch()
    job, totals = create_job(asked(list="events"), by=SYSTEM), []
    work(job, report=lambda job: totals.append(job.total))
    assert set(totals) == {Feed.objects.count()} == {Job.objects.get(pk=job.id).done}


def test_a_list_that_was_thought_empty_has_a_total_all_the_same(make_user, monkeypatch):
    """Guard: populace/bulk/exports.py:_total"""
    users = replace(EXPORTED["users"], expected=lambda listing, by: 0)  # what a statistic of yesterday says
    monkeypatch.setitem(EXPORTED, "users", users)
    for _ in range(9):
        make_user()
    job, totals = create_job(asked(), by=SYSTEM), []
    work(job, report=lambda job: totals.append((job.done, job.total)))
    assert totals[:3] == [(4, 5), (8, 9), (9, 9)]


def test_an_export_from_before_there_were_several_lists_is_of_people(make_user):
    make_user()
    options = {"format": "jsonl", "filter": {}, "fields": ["id"]}
    job = create_job(Job(kind="export", options=options), by=SYSTEM)
    work(job)
    assert Job.objects.get(pk=job.id).result == {"rows": 1}
