"""What a bulk action asks the database: each chunk walks its own people's keys, whatever else there is."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from populace.audit.actors import SYSTEM
from populace.audit.models import Event
from populace.bulk import bulk_actions, undo
from populace.bulk.chosen import chosen_of
from populace.bulk.models import BulkTarget, Job
from populace.groups.models import Group, Membership
from populace.users.models import User
from tests.support.bulk import work
from tests.support.plans import analyze, explain_sql, filled_once

pytestmark = pytest.mark.django_db

ROWS, CHOSEN = 20_000, 20  # of many more people than a chunk holds, as ever; of few, PostgreSQL would rather read all
LARGE = {
    "users_user",
    "audit_event",
    "audit_event_default",
    "groups_membership",
    "bulk_bulktarget",
}
SINCE = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def filled(django_db_setup, django_db_blocker):
    with filled_once(django_db_blocker, fill) as made:
        yield made


def fill():
    """Many people with an event and a membership each, of whom few are chosen; and another job about all of them."""
    people = [
        User(
            username=f"u{n}",
            username_normal=f"u{n}",
            email_domain="few.example" if n % (ROWS // CHOSEN) == 0 else "many.example",
            date_joined=SINCE + timedelta(minutes=n),
        )
        for n in range(ROWS)
    ]
    User._base_manager.bulk_create(people, batch_size=500)
    events = [
        Event(subject_id=one.pk, at=one.date_joined, subject_kind="user", action="user.deactivated", actor=one.pk)
        for one in people
    ]
    Event._base_manager.bulk_create(events, batch_size=500)
    (group,) = Group._base_manager.bulk_create([Group(name="All", name_normal="all")])
    members = [Membership(user_id=user.pk, group=group, since=SINCE) for user in people]
    Membership._base_manager.bulk_create(members, batch_size=500)
    other = UUID(int=1)
    rows = [BulkTarget(job_id=other, user_id=one.pk, row=n, changed_at=SINCE) for n, one in enumerate(people)]
    BulkTarget._base_manager.bulk_create(rows, batch_size=500)
    analyze(connection)
    return group


def scanned(job):
    """Do a job, and return (large table, statement) where one was read from end to end."""
    with CaptureQueriesContext(connection) as asked:
        work(job)
    assert Job.objects.get(pk=job.pk).result["changed"] == CHOSEN
    found = []
    for statement in asked:
        if statement["sql"].startswith(("SELECT", "UPDATE", "DELETE")):
            plan = explain_sql(statement["sql"], connection)
            found += [(table, statement["sql"][:300]) for table in plan.scanned & LARGE]
    return found


@pytest.mark.only_on("postgresql", "sqlite", "MariaDB's plans are checked where pages are walked")
@pytest.mark.parametrize("action", ["deactivate", "update", "remove_from_group", "erase"])
def test_a_chunk_reads_whom_it_changes(filled, action):
    """Guard: populace/users/many.py:locked (by keys), populace/bulk/targets.py:behind (the key of the targets)."""
    more = {"group": str(filled.pk)} if action == "remove_from_group" else {}
    more |= {"values": {"locale": "de"}} if action == "update" else {}
    job = bulk_actions.ask(chosen_of(action, filter={"domain": "few.example"}, **more), by=SYSTEM)
    assert scanned(job) == []
    if action in undo.INVERSE:
        analyze(connection)
        assert scanned(undo.ask(Job.objects.get(pk=job.pk), by=SYSTEM)) == []
