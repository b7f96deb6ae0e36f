"""What the queue promises, on every engine."""

import threading
from datetime import timedelta

import pytest
from django.core.checks import run_checks
from django.db import connection, connections, transaction
from django.tasks import TaskResultStatus, task
from django.tasks.exceptions import InvalidTask, TaskResultDoesNotExist
from django.utils import timezone

from populace.infra.tasks import queue
from populace.infra.tasks.backend import DatabaseBackend
from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.queue import LANES, LEASE_S, TRIES, Lost, backoff_s, claim, delete_done, hand_back, renew
from populace.infra.tasks.run import ERROR_CHARACTERS, run
from populace.infra.tasks.transit import send_off, take
from populace.infra.telemetry import metrics
from tests.support.queue import age, put, run_next

pytestmark = pytest.mark.django_db
ran: list[object] = []


@task(queue_name="mail")
def note(value):
    ran.append(value)
    return {"noted": value}


@task(takes_context=True)
def attempt_number(context):
    return context.attempt


@task
def fails(message="no"):
    ran.append(message)
    raise ValueError(message)


@task
def violates():
    with transaction.atomic():
        TaskRow.objects.create(name="@".join(("ann", "example.com")), due_at=None, enqueued_at=timezone.now())


async def asynchronous():
    pass


@pytest.fixture(autouse=True)
def _nothing_ran_yet():
    ran.clear()


def test_enqueue_joins_the_transaction():
    with transaction.atomic():
        result = note.enqueue(1)
        transaction.set_rollback(True)
    with pytest.raises(TaskResultDoesNotExist):
        note.get_result(result.id)


def test_enqueue_refuses_what_is_not_json_and_functions_it_could_not_run():
    with pytest.raises(TypeError):
        note.enqueue(object())
    with pytest.raises(InvalidTask):
        task(asynchronous)
    with pytest.raises(InvalidTask):
        note.using(priority=1)
    assert not TaskRow.objects.exists()


def test_a_result_can_be_asked_for_at_every_stage():
    result = note.enqueue("a")
    assert result.status == TaskResultStatus.READY
    [row] = claim(LANES["mail"])
    result.refresh()
    assert (result.status, result.attempts) == (TaskResultStatus.RUNNING, 1)
    run(row)
    result.refresh()
    assert (result.status, result.return_value, ran) == (TaskResultStatus.SUCCESSFUL, {"noted": "a"}, ["a"])
    for unknown in ("0", str(put("gone.since.the.last.release").id)):
        with pytest.raises(TaskResultDoesNotExist):
            note.get_result(unknown)


def test_a_task_may_ask_which_attempt_it_is():
    attempt_number.enqueue()
    assert run_next().result == 1


def test_a_task_is_not_run_before_its_time():
    note.using(run_after=timezone.now() + timedelta(minutes=1)).enqueue(1)
    assert claim(LANES["mail"]) == []
    age(0)
    assert len(claim(LANES["mail"])) == 1


def test_the_oldest_of_a_lane_comes_first_and_no_more_than_asked_for():
    for number in range(3):
        age(10 * number, id=note.enqueue(number).id)
    assert [row.args["args"] for row in claim(LANES["mail"], limit=2)] == [[2], [1]]
    assert [row.args["args"] for row in claim(LANES["mail"])] == [[0]]


def test_f30_a_task_that_fails_is_tried_again_later_and_at_last_a_dead_letter_with_the_reason():
    """Guard: populace/infra/tasks/run.py:_fail."""
    result, dead = fails.enqueue("the reason"), metrics.TASKS_DEAD.labels(task=fails.module_path)
    before = dead._value.get()
    for number in range(1, TRIES):
        row = run_next()
        pause = (row.due_at - timezone.now()).total_seconds()
        assert (row.state, row.attempts, row.started_at) == (TaskRow.OPEN, number, None)
        assert 3 ** (number - 1) - 1 < pause < 3**number
        assert claim(LANES["default"]) == []
        age(1)
    row = run_next()
    assert (row.state, len(ran), dead._value.get() - before) == (TaskRow.DEAD, TRIES, 1)
    result.refresh()
    assert (result.status, result.errors[0].exception_class) == (TaskResultStatus.FAILED, ValueError)
    assert "the reason" in result.errors[0].traceback
    age(1)
    assert claim(LANES["default"]) == []


def test_f30_a_task_that_kills_its_worker_every_time_is_given_up_and_costs_its_neighbours_one_try():
    """Guards: populace/infra/tasks/run.py:run, populace/infra/tasks/queue.py:_due."""
    poison, good = fails.enqueue(), fails.enqueue()
    age(120, id=poison.id)
    assert len(claim(LANES["default"])) == 2  # and the worker dies
    for _ in range(TRIES - 1):
        age(60, id=good.id)
        age(120, id=poison.id)
        assert [str(row.id) for row in claim(LANES["default"])] == [poison.id]
    age(120, id=poison.id)
    row = run_next()
    assert (row.state, ran) == (TaskRow.DEAD, [])
    assert row.error.startswith("populace.infra.tasks.run.Abandoned\n")
    assert TaskRow.objects.get(id=good.id).attempts == 1


def test_what_is_kept_of_an_error_is_bounded_and_can_be_stored():
    """Guard: populace/infra/tasks/run.py:_text."""
    fails.enqueue("x" * 60_000)
    assert len(run_next().error) == ERROR_CHARACTERS
    TaskRow.objects.all().delete()
    fails.enqueue()
    [row] = claim(LANES["default"])
    row.args["kwargs"]["message"] = "nul \x00 and surrogate \ud800"  # no database would take them as arguments
    run(row)
    row.refresh_from_db()
    assert row.error.endswith("nul ? and surrogate ?")


def test_what_a_database_says_of_values_is_not_kept():
    """Guard: populace/infra/tasks/run.py:_text (Error)."""
    violates.enqueue()
    error = run_next().error
    assert error.startswith("django.db.utils.IntegrityError\n")
    assert "ann@example.com" not in error


def test_backoff_is_spread_at_random():
    pauses = [backoff_s(3) for _ in range(100)]
    assert 9 <= min(pauses) < 14
    assert 22 < max(pauses) <= 27


def test_f28_a_worker_whose_lease_ended_can_write_nothing():
    """Guard: populace/infra/tasks/queue.py:mark."""
    note.enqueue("a")
    [old] = claim(LANES["mail"])
    assert claim(LANES["mail"]) == []
    age(1)
    [new] = claim(LANES["mail"])
    lost = metrics.LEASES_LOST._value.get()
    for write in (run, renew, hand_back):
        with pytest.raises(Lost):
            write(old)
    assert metrics.LEASES_LOST._value.get() == lost + 3
    run(new)
    new.refresh_from_db()
    assert (new.state, new.fence) == (TaskRow.DONE, 2)
    with pytest.raises(Lost):
        run(new)


def test_f28_whoever_stood_still_while_it_took_a_row_gets_nobody_elses_claim():
    """Guard: populace/infra/tasks/transit.py:take (started_at)."""
    note.enqueue("a")
    [id] = send_off(LANES["mail"])
    others = []

    def stands_still(execute, sql, *args):
        found = execute(sql, *args)
        if sql.startswith("UPDATE") and not others:
            others.append(None)
            age(1)
            others.extend(claim(LANES["mail"]))
        return found

    with connection.execute_wrapper(stands_still):
        assert take(id) is None
    run(others[1])
    assert ran == ["a"]


def test_a_lease_can_be_renewed():
    note.enqueue("a")
    [row] = claim(LANES["mail"])
    age(-1)
    renew(row)
    row.refresh_from_db()
    assert row.due_at > timezone.now() + timedelta(seconds=LEASE_S - 5)


def test_f28_a_row_that_waited_behind_slow_ones_is_begun_only_while_it_is_still_ours():
    """Guard: populace/infra/tasks/run.py:run."""
    note.enqueue("a")
    [row] = claim(LANES["mail"])
    age(1)
    claim(LANES["mail"])
    row.due_at = timezone.now()
    with pytest.raises(Lost):
        run(row)
    assert ran == []


def test_a_row_handed_back_is_due_at_once_and_its_try_does_not_count():
    note.enqueue("a")
    hand_back(claim(LANES["mail"])[0])
    [row] = claim(LANES["mail"])
    assert (row.attempts, row.fence) == (1, 2)


def test_finished_rows_are_deleted_after_a_week_and_dead_letters_are_kept():
    note.enqueue("old")
    run_next("mail")
    age(1)
    note.enqueue("new")
    run_next("mail")
    put("no.such.task")
    run_next()
    age(1, state=TaskRow.DEAD)
    assert delete_done() is False
    assert set(TaskRow.objects.values_list("state", flat=True)) == {TaskRow.DONE, TaskRow.DEAD}
    [kept] = TaskRow.objects.filter(state=TaskRow.DONE)
    assert timedelta(days=6) < kept.due_at - timezone.now() < timedelta(days=8)


def test_deletion_goes_in_batches_and_says_when_there_is_more(monkeypatch):
    monkeypatch.setattr(queue, "DELETE_ROWS", 2)
    for _ in range(3):
        put(note.module_path, state=TaskRow.DONE)
    assert delete_done() is True
    assert TaskRow.objects.count() == 1
    assert delete_done() is False
    assert not TaskRow.objects.exists()


def test_a_queue_without_a_lane_is_refused_at_the_start(settings):
    assert [error.id for error in DatabaseBackend("x", {"QUEUES": ["mail", "other"]}).check()] == ["tasks.E001"]
    assert set(settings.TASKS["default"]["QUEUES"]) == set(LANES)
    assert not [error for error in run_checks(tags=["tasks"]) if error.is_serious()]


def test_a_claim_examines_only_what_it_takes(django_assert_max_num_queries):
    for number in range(30):
        note.enqueue(number)
    with django_assert_max_num_queries(2 + 2):  # SELECT, UPDATE, and the savepoint of a test's transaction
        assert len(claim(LANES["mail"])) == queue.CLAIM_ROWS


@pytest.mark.django_db(transaction=True)
def test_f28_workers_that_claim_at_once_get_different_rows():
    """Guard: populace/infra/tasks/queue.py:_due (FOR UPDATE SKIP LOCKED; SQLite: IMMEDIATE)."""
    for number in range(40):
        note.enqueue(number)
    taken, start = [], threading.Barrier(4)

    def worker():
        try:
            start.wait()
            while rows := claim(LANES["mail"], limit=3):
                taken.extend(row.args["args"][0] for row in rows)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while rows := claim(LANES["mail"]):  # a worker may see nothing while the others hold the last ones
        taken.extend(row.args["args"][0] for row in rows)
    assert sorted(taken) == list(range(40))
    assert connection.is_usable()
