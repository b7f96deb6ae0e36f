"""No task runs for ever, and none keeps its lease for ever."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.tasks import task

from populace.infra.tasks import current, limits
from populace.infra.tasks.current import keep, running
from populace.infra.tasks.limits import give_up, overdue, watch
from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.queue import LANES, TRIES, claim
from populace.infra.tasks.registry import WHEN_DEAD
from populace.infra.tasks.run import run

pytestmark = pytest.mark.django_db
PATH = "populace.infra.tasks.current.TooLong\n"


@task
def keeps_on():
    keep(progressed=True)


@pytest.fixture
def late():
    """A claimed row whose task runs beyond its lease."""
    keeps_on.enqueue()
    [row] = claim(LANES["default"])
    with running(row, lambda: False):
        [task] = current.RUNNING
        task.until = time.monotonic()
        yield row
    assert not current.RUNNING


def test_f30_a_task_that_renews_its_lease_for_ever_fails(monkeypatch):
    """Guard: populace/infra/tasks/current.py:keep (LIMIT_S)."""
    monkeypatch.setattr(current, "LIMIT_S", 0)
    keeps_on.enqueue()
    [row] = claim(LANES["default"])
    run(row)
    row.refresh_from_db()
    assert (row.state, row.attempts) == (TaskRow.OPEN, 1)
    assert row.error.startswith(PATH)


def test_a_task_may_run_until_shortly_before_its_lease_ends_and_anew_from_each_keep():
    """Guard: populace/infra/tasks/current.py:Running.extend."""
    keeps_on.enqueue()
    [row] = claim(LANES["default"])
    with running(row, lambda: False):
        [task] = current.RUNNING
        assert 0 < task.until - time.monotonic() < current.LEASE_S - 4
        task.until = time.monotonic()
        assert overdue() == [task]
        keep()
        assert overdue() == []


def test_f28_a_task_is_begun_with_as_long_a_lease_as_it_may_use(monkeypatch):
    """Guard: populace/infra/tasks/run.py:run (renew)."""
    keeps_on.enqueue()
    [row] = claim(LANES["default"])
    row.due_at -= timedelta(seconds=current.MARGIN_S + 1)  # the rows before it took that long
    renewed = []
    monkeypatch.setattr("populace.infra.tasks.run.renew", renewed.append)
    run(row)
    assert renewed == [row]


def test_f30_what_runs_beyond_its_lease_is_marked_as_failed_while_the_row_is_ours(late):
    """Guard: populace/infra/tasks/limits.py:give_up."""
    give_up(overdue())
    late.refresh_from_db()
    assert (late.state, late.attempts, late.started_at) == (TaskRow.OPEN, 1, None)
    assert late.error.startswith(PATH)


def test_f30_at_the_last_try_it_becomes_a_dead_letter_and_whoever_wants_to_know_is_told(late, monkeypatch):
    """Guard: populace/infra/tasks/limits.py:give_up."""
    told = []
    monkeypatch.setitem(WHEN_DEAD, keeps_on.module_path, lambda *args: told.append(args))
    late.attempts = TRIES
    give_up(overdue())
    late.refresh_from_db()
    assert (late.state, told) == (TaskRow.DEAD, [([], {}, "failed")])


def test_a_row_that_is_somebody_elses_by_now_or_a_database_that_is_away_is_left_alone(late):
    def refuse(*args):
        raise OperationalError("away")

    TaskRow.objects.update(fence=99)
    give_up(overdue())
    assert TaskRow.objects.get().error == ""
    with connection.execute_wrapper(refuse):
        give_up(overdue())


def test_f30_the_process_of_a_task_that_never_ends_is_ended(late, monkeypatch):
    """Guard: populace/infra/tasks/limits.py:_watch."""
    ended, codes = threading.Event(), []
    monkeypatch.setattr(limits, "LOOK_S", 0.01)
    monkeypatch.setattr(limits, "give_up", lambda tasks: None)  # its thread sees nothing of this test's transaction

    def end(code):
        codes.append(code)
        ended.set()
        threading.Event().wait()  # nothing follows: the process would be gone

    watch(end)
    assert ended.wait(5)
    assert codes == [1]
