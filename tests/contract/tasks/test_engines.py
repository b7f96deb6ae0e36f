"""What background work promises, whichever engine TASKS_URL chooses: real workers, real brokers.

docs/reference/tasks.md has a row for each of these tests.
"""

import os
import signal
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.contract.tasks.conftest import ALL
from tests.support.processes import wait_until
from tests.support.supervised import is_alive

pytestmark = [pytest.mark.parametrize("engine_name", ALL, indirect=True, scope="module"), pytest.mark.timeout(180)]


def failed(row) -> int:
    """Return after which try a row waits for the next; 0 while it does not."""
    return row.attempts if row.error and row.started_at is None else 0


def test_a_task_runs_once_and_its_result_is_kept(crew):
    id = crew.put("note", "a")
    crew.until(lambda: crew.is_done(id), "done")
    row = crew.row(id)
    assert (crew.effects().count("a"), row.result, row.attempts) == (1, "a", 1)


def test_a_task_begins_no_earlier_than_it_is_due(crew):
    later, now = crew.put("note", "later", due_in_s=3), crew.put("note", "now")
    crew.until(lambda: crew.is_done(now), "the one that is due")
    assert crew.row(later).started_at is None
    crew.until(lambda: crew.is_done(later), "the later one")
    row = crew.row(later)
    assert row.started_at - row.enqueued_at >= timedelta(seconds=3)


def test_urgent_lanes_wait_for_no_other(crew):
    """Guards: populace/infra/tasks/engines/database.py:Engine.serving, base.py:Broker.apart (each lane on its own)."""
    long = [crew.put("sleeps", f"bulk{number}", 4, lane="bulk") for number in range(3)]
    crew.until(lambda: "bulk0 begun" in crew.effects() or "bulk1 begun" in crew.effects(), "a long task")
    mail = crew.put("note", "mail", lane="mail")
    crew.until(lambda: crew.is_done(mail), "the mail")
    assert not all(crew.is_done(id) for id in long)


def test_f30_a_task_that_fails_is_tried_again_after_growing_pauses_and_at_last_a_dead_letter(crew):
    """Guard: populace/infra/tasks/run.py:fail."""
    from populace.infra.tasks.models import TaskRow

    id = crew.put("fails", "poison")
    pauses = []
    for number in range(1, 5):
        crew.until(lambda number=number: failed(crew.row(id)) == number, f"failure {number}")
        pauses.append((crew.row(id).due_at - timezone.now()).total_seconds())
        crew.age(id=id, attempts=number)
    crew.until(lambda: crew.row(id).state == TaskRow.DEAD, "a dead letter")
    row = crew.row(id)
    assert (row.attempts, crew.effects().count("poison")) == (5, 5)
    assert row.error.startswith("builtins.ValueError\n")
    assert row.error.endswith("poison")
    assert all(3 ** (number - 1) - 2 < pause < 3**number for number, pause in enumerate(pauses, 1))


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_killed_in_a_task_has_it_run_again_when_the_lease_ends(crew, moment):
    """kill -9 in the task: before its effect, or between the effect and the mark.

    Guard: populace/infra/tasks/queue.py:claim, transit.py:take (due_at is the lease's end).
    """
    id = crew.put("dies_once", moment, moment)
    crew.until(lambda: f"{moment} tried" in crew.effects(), "the first try")
    if not crew.tasks_url.startswith("database"):
        crew.until(lambda: "SIGKILL" in crew.log(), "the lane's process is dead")
    else:
        wait_until(lambda: crew.worker.poll() is not None, "the worker is dead")
        crew.start()
    assert not crew.is_done(id)
    crew.age(id=id)
    crew.until(lambda: crew.is_done(id), "done at the second try", 40)
    assert (crew.row(id).attempts, crew.effects().count(moment)) == (2, 1 if moment == "before" else 2)


def test_a_worker_killed_before_it_claims_loses_nothing(crew):
    """Guard: populace/infra/tasks/engines/base.py:Engine.call_back (of what was on its way)."""
    crew.kill()
    ids = [crew.put("note", f"kept{number}") for number in range(20)]
    crew.start()
    crew.until(lambda: any(crew.row(id).state != 0 or crew.row(id).attempts for id in ids), "on its way", 40)
    crew.kill()
    crew.start()
    crew.until(lambda: crew.age(state=3) or crew.age(state=0) or all(map(crew.is_done, ids)), "all of them", 60)
    assert {f"kept{number}" for number in range(20)} <= set(crew.effects())


def test_a_process_that_a_task_ends_is_replaced_and_good_tasks_get_done(crew):
    """F30: os.abort() in a task. Guards: populace/infra/tasks/queue.py:_due, run.py:run (Abandoned)."""
    from populace.infra.tasks.models import TaskRow

    poison = crew.put("aborts", attempts=4)
    good = [crew.put("note", f"good{number}") for number in range(30)]
    if crew.tasks_url.startswith("database"):
        wait_until(lambda: crew.worker.poll() is not None, "the worker is dead")
        crew.start()
    crew.until(lambda: crew.row(poison).attempts == 5, "the last try", 40)
    crew.age(state=TaskRow.OPEN, attempts__gt=0)
    crew.until(lambda: crew.row(poison).state == TaskRow.DEAD, "a dead letter", 60)
    assert crew.row(poison).error.startswith("populace.infra.tasks.run.Abandoned\n")
    crew.until(lambda: crew.age(state=TaskRow.SENT) or all(map(crew.is_done, good)), "the good ones", 60)


def test_a_worker_told_to_stop_lets_its_task_come_to_rest_and_ends(crew):
    """SIGTERM. Guards: populace/infra/tasks/current.py:stopping, populace/infra/tasks/run.py:run (Again)."""
    id = crew.put("rests", "long", lane="bulk")
    crew.until(lambda: "long begun" in crew.effects(), "begun")
    pids = crew.processes()
    assert crew.stop() == 0
    assert "long rests" in crew.effects()
    row = crew.row(id)
    assert (row.state, row.attempts, row.started_at) == (0, 0, None)
    assert not any(is_alive(pid) for pid in pids)


def test_f28_a_worker_that_stands_still_past_its_lease_can_commit_nothing(crew):
    """SIGSTOP, another takes over, SIGCONT. Guard: populace/infra/tasks/queue.py:mark (the fencing number)."""
    old, pids = crew.worker, crew.processes()
    id = crew.put("sleeps", "slow", 1)
    crew.until(lambda: "slow begun" in crew.effects(), "begun")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    crew.age(id=id)
    crew.start()
    # RabbitMQ may bring the id to the one that stands still, some times; each time it counts as lost after a while.
    crew.until(lambda: crew.age(id=id, state=3) or crew.is_done(id), "done by another", 40)
    done = crew.row(id)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    crew.until(lambda: "task_lease_lost" in crew.log(), "the old one notices")
    after = crew.row(id)
    assert (after.fence, after.finished_at, after.attempts) == (done.fence, done.finished_at, 2)
    old.terminate()
    old.wait(30)
