"""Every list of events that is served: one walk through an index, however many months and events there are."""

from datetime import UTC, date, datetime, timedelta
from itertools import chain, combinations
from uuid import UUID

import pytest
from django.db import connection

from populace.api.lists import folded_list
from populace.audit.documents import EVENT_FIELDS, EventDocument
from populace.audit.models import Event, Feed
from populace.audit.reads import WALKS, events, everything, narrowed, unnarrowed
from populace.infra.db.cells import shown
from populace.infra.db.fields import FOREVER, NEVER
from populace.infra.db.ids import new_id
from populace.infra.db.partitions import ensure_month_partitions
from tests.support.plans import analyze, explain, filled_once

pytestmark = pytest.mark.django_db

FIRST = datetime(2030, 1, 1, tzinfo=UTC)
MONTHS, COUNT = 12, 36_000  # enough that reading a whole month costs more than its indexes
SUBJECTS, ACTORS = [new_id() for _ in range(60)], [new_id() for _ in range(3)]
ACTIONS = ["user.created", "user.updated", "token.created"]
SERVED = [*chain.from_iterable(combinations(WALKS, number) for number in (1, 2, 3))]
PARTS = {"subject": "_pkey", "actor": "_actor_at_idx", "action": "_action_at_idx"}  # of each month's indexes
STEP = 200  # to this log as 2,000 to one of 360,000
WHOLE = {"subject": "sqlite_autoindex_audit_event_1", "actor": "event_actor", "action": "event_action"}


@pytest.fixture(scope="module")
def log(django_db_setup, django_db_blocker):
    """Twelve months of events, in partitions where the engine has them."""
    with filled_once(django_db_blocker, fill) as made:
        yield made


def fill():
    ensure_month_partitions(Event, "at", months_ahead=MONTHS - 1, today=date(2030, 1, 1))
    rows = [
        Event(
            subject_id=SUBJECTS[number % len(SUBJECTS)],
            at=FIRST + timedelta(minutes=number * 14),
            subject_kind="user",
            action=ACTIONS[number % 7 % 3],
            actor=ACTORS[number % 11 % 3],
            details={"changes": {}, "address": "192.0.2.1"},
        )
        for number in range(COUNT)
    ]
    Event._base_manager.bulk_create(rows, batch_size=2000)
    feed = (Feed(seq=seq, subject_id=row.subject_id, at=row.at, event_id=row.id) for seq, row in enumerate(rows, 1))
    Feed._base_manager.bulk_create(feed, batch_size=2000)
    analyze(connection)
    return rows


def values_of(filters, place=FOREVER, far=NEVER):
    given = {"subject": SUBJECTS[7], "actor": ACTORS[1], "action": ACTIONS[0]}
    bounds = {"place": place, "id": UUID(int=0), "far": far, "far_id": UUID(int=0)}
    return {name: given[name] for name in filters} | bounds


def scanned(plan):
    """The tables that hold events which were read from end to end; the default partition is empty."""
    return {table for table in plan.scanned if table.startswith("audit_")} - {"audit_event_default"}


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
@pytest.mark.parametrize("filters", SERVED, ids="+".join)
def test_a_page_walks_one_index_and_reads_no_more_than_it_must(log, filters, generic):
    """Also where PostgreSQL knows no value: an average actor has few events, the one asked for may have a million."""
    values = values_of(filters, place=FIRST + timedelta(days=200))
    plan = explain(events(filters), connection, generic=generic, limit=21, run=True, **values)
    assert not scanned(plan), plan.text
    if connection.vendor == "sqlite":
        assert WHOLE[filters[0]] in plan.indexes, plan.text
        return
    if connection.vendor == "mysql":  # with several filters it reads to the bound, and sorts: the log here is no larger
        assert len(filters) > 1 or (plan.sorted == 0 and sum(plan.read.values()) <= 3 * 21), plan.text
        return
    page = 21 if len(filters) == 1 else 21 * 9  # every third event has the action, or the actor
    assert plan.sorted <= 2 * page, plan.text  # nothing near the 12,000 that an actor has
    # How the default partition, which is empty, is looked at is the planner's business.
    used = {index for index in plan.indexes if index.startswith("audit_event_2030")}
    walked = {index for index in used if index.endswith(PARTS[filters[0]])}
    assert len(walked) >= 6, plan.text
    assert used - walked <= {index for index in used if index.endswith("_pkey")}, plan.text
    assert sum(plan.read.values()) <= 2 * page + MONTHS * 2, plan.text


@pytest.mark.only_on("postgresql", "only PostgreSQL has partitions")
@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
def test_months_after_the_place_are_not_looked_at(log, generic):
    values = values_of(["actor"], place=FIRST + timedelta(days=40))
    plan = explain(events(("actor",)), connection, generic=generic, limit=21, run=True, **values)
    assert {table for table, rows in plan.read.items() if rows} <= {"audit_event_2030_01", "audit_event_2030_02"}
    assert ("Subplans Removed" in plan.text) or len(plan.read) <= 3, plan.text


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
def test_the_list_of_everything_walks_the_feed_and_looks_each_event_up_by_its_key(log, generic):
    plan = explain(everything(), connection, generic=generic, limit=21, run=True, seq=COUNT // 2)
    assert not scanned(plan), plan.text
    assert not plan.sorts, plan.text
    if connection.vendor == "postgresql":
        assert "audit_feed_pkey" in plan.indexes
        assert sum(plan.read.values()) <= 2 * 21, plan.text


@pytest.mark.only_on("postgresql", "sqlite", "MariaDB is asked in pages above")
@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
@pytest.mark.parametrize("filters", [(), ("subject",), ("actor",), ("action",)], ids=lambda given: "+".join(given))
def test_a_step_of_an_export_reads_what_it_shows(log, filters, generic):
    """Of steps that are as small beside this log as real ones beside one that matters: few events are rather sorted."""
    line = shown(EventDocument(), Event, EVENT_FIELDS, csv=True)
    values = values_of(filters, place=FIRST + timedelta(days=200)) if filters else {"seq": COUNT // 2}
    statement = narrowed(filters, line, (STEP,)) if filters else unnarrowed(line, (STEP,))
    plan = explain(statement, connection, generic=generic, limit=STEP, run=True, **values)
    assert not scanned(plan), plan.text
    if connection.vendor == "postgresql":
        assert plan.sorted <= 2 * STEP, plan.text
        assert sum(plan.read.values()) <= 2 * STEP + MONTHS * 2, plan.text


def test_token_and_page_together_keep_the_walk(log):
    statement = folded_list(events(("actor",)))
    plan = explain(statement, connection, generic=True, limit=21, run=True, digest="x", **values_of(["actor"]))
    assert not scanned(plan), plan.text
