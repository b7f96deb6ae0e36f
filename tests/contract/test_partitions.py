"""Events lie in partitions by month on PostgreSQL, and no insert depends on one being there."""

from datetime import UTC, date, datetime

import pytest
from django.db import connection, connections, transaction

from populace.audit.models import Event
from populace.infra.db.ids import new_id
from populace.infra.db.operations import CreatePartitionedModel
from populace.infra.db.partitions import ensure_month_partitions, month_after
from populace.infra.db.write import write

TODAY = date(2031, 11, 24)
MONTHS = ["audit_event_2031_11", "audit_event_2031_12", "audit_event_2032_01"]


def ensure():
    return ensure_month_partitions(Event, "at", months_ahead=2, today=TODAY)


def happened(at):
    """Write an event; return the table it lies in."""
    event = Event(subject_id=new_id(), at=at, subject_kind="person", action="x.y", actor=new_id())
    write([event])
    if connection.vendor != "postgresql":
        return Event._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM audit_event WHERE id = %s", [event.id])
        return cursor.fetchone()[0]


@pytest.mark.only_on("sqlite", "about the others")
def test_other_engines_have_nothing_to_make(db, engine):
    assert ensure() == []
    assert happened(datetime(2031, 11, 24, tzinfo=UTC)) == "audit_event"


@pytest.mark.only_on("postgresql", "only PostgreSQL has partitions")
def test_months_are_made_once_with_every_index(db):
    assert ensure() == MONTHS
    assert ensure() == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename, count(*) FROM pg_indexes WHERE tablename LIKE 'audit_event%%' GROUP BY 1", [])
        indexes = dict(cursor.fetchall())
    assert {indexes[month] for month in MONTHS} == {indexes["audit_event"]} == {3}


@pytest.mark.only_on("postgresql", "only PostgreSQL has partitions")
def test_an_event_lies_in_its_month_by_utc_and_else_in_the_default_partition(db):
    ensure()
    assert happened(datetime(2031, 11, 1, tzinfo=UTC)) == MONTHS[0]
    assert happened(datetime(2031, 11, 30, 23, 59, 59, 999999, tzinfo=UTC)) == MONTHS[0]
    assert happened(datetime(2031, 12, 1, tzinfo=UTC)) == MONTHS[1]
    assert happened(datetime(2032, 2, 1, tzinfo=UTC)) == "audit_event_default"


@pytest.mark.only_on("postgresql", "only PostgreSQL has partitions")
def test_a_month_whose_events_came_first_stays_in_the_default_partition(db):
    assert happened(datetime(2031, 12, 24, tzinfo=UTC)) == "audit_event_default"
    assert ensure() == [MONTHS[0], MONTHS[2]]
    assert happened(datetime(2031, 12, 25, tzinfo=UTC)) == "audit_event_default"


@pytest.mark.only_on("postgresql", "only PostgreSQL has partitions")
@pytest.mark.django_db(transaction=True)
def test_a_second_process_returns_at_once_and_a_held_lock_is_waited_for_briefly(engine):
    """Neither may hold up the other's inserts: `populace/infra/db/partitions.py:alone`."""
    connections["other"] = other = connection.copy("other")
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE audit_event_default IN ROW EXCLUSIVE MODE")  # somebody's insert
            assert ensure_month_partitions(Event, "at", months_ahead=0, today=TODAY, using="other") == []
        with transaction.atomic():
            assert ensure_month_partitions(Event, "at", months_ahead=0, today=TODAY) == MONTHS[:1]
            assert ensure_month_partitions(Event, "at", months_ahead=0, today=TODAY, using="other") == []
            transaction.set_rollback(True)
    finally:
        other.close()
        del connections["other"]


def test_months_follow_each_other_over_the_year():
    assert month_after(date(2031, 11, 1), 0) == date(2031, 11, 1)
    assert month_after(date(2031, 11, 1), 2) == date(2032, 1, 1)
    assert month_after(date(2031, 12, 1), 13) == date(2033, 1, 1)


def test_the_operation_can_be_written_down_again():
    operation = CreatePartitionedModel("Event", [], partition_by="at", options={"abstract": False})
    name, args, options = operation.deconstruct()
    assert (name, args) == ("CreatePartitionedModel", [])
    assert CreatePartitionedModel(**options).deconstruct() == operation.deconstruct()
