"""Periodic work: once in each period, whoever counts it and however often they start anew."""

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from django.db import OperationalError, connection, connections
from django.tasks import task
from django.utils import timezone

from populace.audit.tasks import upkeep
from populace.infra.tasks import schedule
from populace.infra.tasks.chores import CHORES
from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.queue import LANES, claim
from populace.infra.tasks.run import run
from populace.infra.tasks.schedule import LONGEST_S, SCHEDULE, Periodic, Ticks

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


@task
def hourly(): ...


HOURLY = [Periodic("hourly", 3600, hourly)]


@pytest.fixture
def at(monkeypatch):
    """Return `at(time)`: from now on it is this time for the schedule."""

    def set_to(time):
        monkeypatch.setattr(schedule.timezone, "now", lambda: time)

    return set_to


def ticks() -> int:
    return TaskRow.objects.filter(name=hourly.module_path).count()


def test_a_tick_is_a_row_and_comes_once_in_a_period(at, django_assert_num_queries):
    counter = Ticks()
    at(NOON + timedelta(minutes=1))
    counter.make(HOURLY)
    assert ticks() == 1
    at(NOON + timedelta(minutes=59))
    with django_assert_num_queries(0):
        counter.make(HOURLY)
    at(NOON + timedelta(minutes=60))
    counter.make(HOURLY)
    assert ticks() == 2


def test_f29_a_worker_that_starts_anew_doubles_no_tick(at):
    """Guard: populace/infra/tasks/schedule.py:Ticks.make (the row's id follows from name and time)."""
    for minute in (1, 2, 59):
        at(NOON + timedelta(minutes=minute))
        Ticks().make(HOURLY)
    TaskRow.objects.update(state=TaskRow.DONE)
    Ticks().make(HOURLY)
    assert ticks() == 1


def test_f29_ticks_that_nobody_was_there_for_are_made_up_for_once(at):
    at(NOON)
    Ticks().make(HOURLY)
    at(NOON + timedelta(hours=5, minutes=30))
    Ticks().make(HOURLY)
    assert ticks() == 2


@pytest.mark.django_db(transaction=True)
def test_f29_two_schedulers_at_once_fire_once():
    """Guard: populace/infra/tasks/schedule.py:Ticks.make (ignore_conflicts)."""
    failures, begin = [], Barrier(4)

    def make():
        try:
            begin.wait()
            Ticks().make(HOURLY)
        except Exception as failure:
            failures.append(failure)
        finally:
            connections.close_all()

    threads = [Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failures, ticks() <= 2) == ([], True)  # 2: the hour was full in between
    assert ticks() == len(set(TaskRow.objects.values_list("enqueued_at__hour", flat=True)))


def test_a_row_of_a_tick_outlives_its_period():
    with pytest.raises(ValueError, match="period"):
        Periodic("rare", LONGEST_S + 1, hourly)


def test_upkeep_is_on_the_schedule_and_does_every_chore(monkeypatch):
    """Guard: populace/audit/tasks.py:upkeep."""
    done, left = [], [False, True]
    monkeypatch.setattr(
        "populace.audit.tasks.CHORES", [lambda: done.append("a") or left.pop(), lambda: done.append("b")]
    )
    Ticks().make([one for one in SCHEDULE if one.name == "upkeep"])
    for state in (TaskRow.OPEN, TaskRow.DONE):
        [row] = claim(LANES["bulk"])
        run(row)
        row.refresh_from_db()
        assert (row.state, row.name) == (state, upkeep.module_path)
    assert done == ["a", "b", "a", "b"]


def test_a_chore_that_fails_stops_no_other(monkeypatch):
    """Guard: populace/audit/tasks.py:_tried."""

    def refuse(*args):
        raise OperationalError("no")

    done = []

    def fails():
        with connection.execute_wrapper(refuse):
            return TaskRow.objects.exists()

    monkeypatch.setattr("populace.audit.tasks.CHORES", [fails, lambda: done.append("other")])
    upkeep.call()
    assert done == ["other"]


def test_every_chore_runs_here():
    for chore in CHORES:
        assert chore() in (True, False)
    assert timezone.now()
