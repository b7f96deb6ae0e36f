"""What a running task may ask for and say, and what follows when it is given up."""

import pytest
from django.db import transaction
from django.tasks import task

from populace.infra.tasks import current, queue
from populace.infra.tasks.current import Again, keep, stopping
from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.queue import LANES, TRIES, Lost, claim
from populace.infra.tasks.registry import WHEN_DEAD
from populace.infra.tasks.run import run
from tests.support.queue import age, put, run_next

pytestmark = pytest.mark.django_db
ran: list[object] = []


@task
def fails(message="no"):
    ran.append(message)
    raise ValueError(message)


@task
def gets_on_and_fails():
    keep(progressed=True)
    raise ValueError


@task(queue_name="bulk")
def chunk(*, progressed=False, loses=False, again=False):
    with transaction.atomic():
        if loses:
            age(1)
            claim(LANES["bulk"])  # somebody else is faster
        put("written.in.the.chunk", state=TaskRow.DONE)
        keep(progressed=progressed)
    ran.append(stopping())
    if again:
        raise Again


@pytest.fixture(autouse=True)
def _nothing_ran_yet():
    ran.clear()


def test_f28_what_a_task_writes_together_with_keep_is_gone_where_its_lease_was_lost():
    """Guard: populace/infra/tasks/current.py:keep (a fenced write in the same transaction)."""
    chunk.enqueue(loses=True)
    [row] = claim(LANES["bulk"])
    with pytest.raises(Lost):
        run(row)
    assert ran == []
    assert not TaskRow.objects.filter(name="written.in.the.chunk").exists()


def test_keep_starts_the_lease_anew_and_forgets_earlier_tries_where_the_task_gets_on(monkeypatch):
    """Guard: populace/infra/tasks/current.py:keep."""
    result = chunk.enqueue(progressed=True)
    [row] = claim(LANES["bulk"])
    TaskRow.objects.update(attempts=3)
    due_at, seen = row.due_at, []
    monkeypatch.setattr(current, "renew", lambda *args, **values: (queue.renew(*args, **values), seen.append(values)))
    run(row)
    assert (seen, row.due_at > due_at) == ([{"attempts": 1}], True)
    assert TaskRow.objects.get(id=result.id).attempts == 1


def test_what_fails_after_it_got_on_has_all_but_one_of_its_tries_left():
    """Guard: populace/infra/tasks/current.py:keep (the row in memory)."""
    gets_on_and_fails.enqueue()
    TaskRow.objects.update(attempts=TRIES - 1)
    row = run_next()
    assert (row.state, row.attempts) == (TaskRow.OPEN, 1)


def test_outside_a_task_there_is_nothing_to_keep_and_nobody_stops_it():
    chunk.call()
    assert ran == [False]


def test_a_task_that_is_not_done_goes_to_the_back_of_its_lane_and_its_try_does_not_count():
    """Guard: populace/infra/tasks/run.py:run (Again)."""
    result, other = chunk.enqueue(again=True), chunk.enqueue()
    [row] = claim(LANES["bulk"], limit=1)
    run(row)
    row.refresh_from_db()
    assert (row.state, row.attempts, row.started_at, row.error) == (TaskRow.OPEN, 0, None, "")
    assert [str(row.id) for row in claim(LANES["bulk"])] == [other.id, result.id]
    with pytest.raises(Lost):
        run(row)  # fenced as ever


def test_a_long_task_is_told_to_stop_when_it_has_had_its_share_or_the_worker_ends(monkeypatch):
    """Guard: populace/infra/tasks/current.py:stopping."""
    for ending, slice_s in ((False, 60), (True, 60), (False, 0)):
        monkeypatch.setattr(current, "SLICE_S", slice_s)
        chunk.enqueue()
        run(claim(LANES["bulk"])[0], lambda ending=ending: ending)
    assert ran == [False, True, True]


def test_whoever_wants_to_know_of_a_dead_letter_is_told_in_its_transaction(monkeypatch):
    """Guard: populace/infra/tasks/run.py:_bury."""

    def tell(args, kwargs, code):
        put("told", state=TaskRow.DONE)
        ran.append((args, kwargs, code))

    monkeypatch.setitem(WHEN_DEAD, fails.module_path, tell)
    for tries in (TRIES - 1, TRIES):
        fails.enqueue("no")
        TaskRow.objects.filter(state=TaskRow.OPEN).update(attempts=tries)
        run_next()
    assert ran == ["no", (["no"], {}, "failed"), (["no"], {}, "abandoned")]
    assert TaskRow.objects.filter(name="told").count() == 2
    fails.enqueue("no")
    TaskRow.objects.filter(state=TaskRow.OPEN).update(attempts=TRIES)
    [row] = claim(LANES["default"])
    row.fence = 99
    with pytest.raises(Lost):
        run(row)
    assert TaskRow.objects.filter(name="told").count() == 2


def test_a_dead_letter_that_cannot_be_told_of_is_dead_all_the_same(monkeypatch):
    """Guard: populace/infra/tasks/run.py:_told."""

    def fails_after_a_write(args, kwargs, code):
        put("told", state=TaskRow.DONE)
        raise KeyError(code)

    monkeypatch.setitem(WHEN_DEAD, fails.module_path, fails_after_a_write)
    fails.enqueue("no")
    TaskRow.objects.update(attempts=TRIES)
    assert run_next().state == TaskRow.DEAD
    assert not TaskRow.objects.filter(name="told").exists()
