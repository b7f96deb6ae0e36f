"""The worker's loop with a real database: what it costs when idle, whom it serves, how it stops and recovers."""

import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from django.db import Error, InternalError, OperationalError, connection, connections
from django.tasks import task
from django.utils import timezone

from populace.audit.actions import recorded
from populace.audit.consequences import CONSEQUENCES
from populace.audit.models import Counter, Outbox
from populace.audit.worker import POLL_S, look, work
from populace.infra.db.pool import pools
from populace.infra.db.write import write
from populace.infra.mail import waiting
from populace.infra.tasks import outlasting, schedule
from populace.infra.tasks.current import Again, stopping
from populace.infra.tasks.engines.database import Engine, Lane
from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.queue import LANES
from populace.infra.telemetry import metrics
from tests.support.rounds import step

pytestmark = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True, serialized_rollback=True)  # the counter's row comes by migration
ran: list[object] = []
stop, released = threading.Event(), threading.Event()


@task(queue_name="mail")
def mail(*args):
    ran.append(("mail", *args))


@task
def ordinary():
    ran.append("ordinary")


@task(queue_name="bulk")
def bulk():
    ran.append("bulk")


@task(queue_name="bulk")
def holds():
    ran.append("holds")
    released.wait(20)


@task(queue_name="bulk")
def works_in_chunks():
    ran.append("chunk")
    while not stopping():
        time.sleep(0.01)
    raise Again


@task(queue_name="mail")
def stops_the_worker():
    ran.append("last")
    stop.set()


@task(queue_name="mail")
def ends_its_own_lease():
    TaskRow.objects.update(fence=99)


@task(queue_name="mail")
def loses_the_database():
    ran.append("try")
    if len(ran) == 1:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.setattr(schedule, "SCHEDULE", [])  # tests count rows
    ran.clear()
    stop.clear()
    released.clear()


@pytest.fixture
def happens(actor):
    def happen():
        rows = recorded(subject_id=uuid4(), subject_kind="person", action="test.it", by=actor, at=timezone.now())
        write(rows)
        return rows[0]

    return happen


@contextmanager
def working():
    """A worker in a thread of its own, stopped at the end."""

    def body():
        try:
            work(stop, Engine(""))
        finally:
            connections.close_all()

    thread = threading.Thread(target=body)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def eventually(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_looking_is_one_statement(django_assert_num_queries):
    with django_assert_num_queries(1):
        assert step() == 0


@pytest.mark.parametrize("state", [TaskRow.OPEN, TaskRow.SENT])
def test_a_mail_waits_until_it_is_sent_on_its_way_through_a_broker_too(state, monkeypatch):
    """Guard: populace/infra/mail/waiting.py:observe."""
    monkeypatch.setattr(waiting, "_next", 0.0)
    hour_ago = timezone.now() - timedelta(hours=1)
    TaskRow.objects.create(name="a.mail", lane=LANES["mail"], state=state, due_at=hour_ago, enqueued_at=hour_ago)
    waiting.observe()
    assert metrics.MAIL_OLDEST._value.get() >= 3600


def test_an_idle_worker_sends_at_most_two_statements_a_second():
    times = []

    def count(execute, *args):
        times.append(time.monotonic())
        return execute(*args)

    timer = threading.Timer(5 * POLL_S, stop.set)
    timer.start()
    with connection.execute_wrapper(count):
        work(stop, Engine(""))
    assert len(times) <= 2 * 5 * POLL_S


def test_a_look_says_what_waits_most_urgent_first(happens):
    bulk.enqueue()
    mail.using(run_after=timezone.now() + timedelta(hours=1)).enqueue()
    assert look() == (False, [LANES["bulk"]], False)
    happens()
    ordinary.enqueue()
    assert look() == (True, [LANES["default"], LANES["bulk"]], False)


def test_the_age_of_the_oldest_waiting_event_is_shown(happens):
    happens()
    Outbox._base_manager.update(at=timezone.now() - timedelta(seconds=100))
    look()
    assert 100 <= metrics.OUTBOX_OLDEST._value.get() < 110
    step()
    look()
    assert metrics.OUTBOX_OLDEST._value.get() == 0


@committed
def test_a_long_task_holds_up_no_other_lane():
    """Guard: populace/infra/tasks/engines/database.py:Engine.serving (a thread for each)."""
    holds.enqueue()
    with working():
        eventually(lambda: ran)
        mail.enqueue()
        ordinary.enqueue()
        eventually(lambda: len(ran) == 3)
        assert not released.is_set()
        released.set()
    assert sorted(ran[1:], key=str) == [("mail",), "ordinary"]


@pytest.mark.only_on("postgresql", "the other engines have no pool that could run empty")
@committed
def test_an_idle_lane_holds_no_connection():
    """Guard: populace/infra/tasks/engines/database.py:Lane._serve (what it was lent it gives back)."""
    TaskRow.objects.exists()  # this thread has its own
    [pool] = pools("default")
    held = pool.in_use()
    engine = Engine("")
    with engine.serving(stop):
        for queue_name in LANES:
            ordinary.using(queue_name=queue_name).enqueue()
        engine.tell(LANES.values())
        eventually(lambda: len(ran) == len(LANES))
        eventually(lambda: pool.in_use() == held)
        stop.set()


@committed
def test_f36_a_long_task_comes_to_rest_when_the_worker_is_told_to_stop():
    """Guards: populace/infra/tasks/current.py:stopping, populace/infra/tasks/run.py:run (Again)."""
    works_in_chunks.enqueue()
    with working():
        eventually(lambda: ran)
    row = TaskRow.objects.get()
    assert (row.state, row.attempts, row.started_at) == (TaskRow.OPEN, 0, None)
    assert row.due_at <= timezone.now()


@committed
def test_what_breaks_a_lane_ends_the_worker(monkeypatch):
    """Guard: populace/infra/tasks/engines/database.py:Engine.check."""

    def breaks(self):
        raise MemoryError

    monkeypatch.setattr(Lane, "_serve", breaks)
    with pytest.raises(MemoryError):
        work(stop, Engine(""))


@committed
def test_a_consequence_happens_within_two_seconds_of_the_commit(happens, monkeypatch):
    monkeypatch.setitem(CONSEQUENCES, "test.it", [mail])
    with working():
        time.sleep(POLL_S / 2)
        event = happens()
        eventually(lambda: ran, seconds=2)
    assert ran == [("mail", str(event.id), str(event.subject_id))]


@committed
def test_f36_a_worker_told_to_stop_finishes_its_row_and_hands_the_others_back():
    """Guard: populace/infra/tasks/engines/database.py:serve."""
    stops_the_worker.enqueue()
    for _ in range(3):
        mail.enqueue()
    TaskRow.objects.filter(name=stops_the_worker.module_path).update(due_at=timezone.now() - timedelta(seconds=9))
    work(stop, Engine(""))
    assert ran == ["last"]
    left = TaskRow.objects.filter(state=TaskRow.OPEN, attempts=0, due_at__lte=timezone.now())
    assert left.count() == 3
    assert TaskRow.objects.filter(state=TaskRow.DONE).count() == 1


def test_f28_a_lost_lease_does_not_disturb_the_next_row():
    """Guard: populace/infra/tasks/engines/database.py:serve."""
    ends_its_own_lease.enqueue()
    assert step() == 1
    assert TaskRow.objects.get().state == TaskRow.OPEN


@pytest.mark.only_on("postgresql", "SQLite has no connection that could be lost")
@committed
def test_f01_a_worker_outlives_its_database_connection(happens, engine, monkeypatch):
    """Guard: populace/infra/db/compiled.py:read."""
    monkeypatch.setitem(CONSEQUENCES, "test.it", [mail])
    with working():
        time.sleep(0.2)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND datname = current_database()"
            )
            assert cursor.fetchone()[0] >= 1
        happens()
        eventually(lambda: ran)
    assert len(ran) == 1


@pytest.mark.only_on("postgresql", "SQLite has no connection that could be lost")
@committed
def test_f01_a_connection_lost_during_a_task_costs_one_try(engine, monkeypatch):
    """Guard: populace/infra/tasks/outlasting.py:outlasting."""
    monkeypatch.setattr(outlasting, "PAUSE_S", (0.05, 0.1))
    errors = metrics.DB_ERRORS._value.get()
    loses_the_database.enqueue()
    with working():
        eventually(lambda: ran)
        eventually(lambda: TaskRow.objects.filter(due_at__gt=timezone.now()).exists())
        TaskRow.objects.update(due_at=timezone.now())
        eventually(lambda: TaskRow.objects.filter(state=TaskRow.DONE).exists())
    assert (ran, TaskRow.objects.get().attempts) == (["try", "try"], 2)
    assert metrics.DB_ERRORS._value.get() == errors + 1


def test_a_database_that_is_away_is_waited_for_longer_and_longer(monkeypatch):
    """Guard: populace/infra/tasks/outlasting.py:outlasting."""
    monkeypatch.setattr(outlasting, "PAUSE_S", (0.01, 0.04))
    stopped = InternalError("idle in a transaction, as whoever was stopped (SIGSTOP)")
    stopped.__cause__ = psycopg.errors.IdleInTransactionSessionTimeout()
    answers = [OperationalError("away"), stopped] * 2 + [0, OperationalError("away")]

    def refuse(execute, *args):
        if not answers:
            stop.set()
            return execute(*args)
        answer = answers.pop(0)
        if isinstance(answer, Error):
            raise answer
        return execute(*args)

    pauses, closed = [], []
    monkeypatch.setattr(outlasting.connections, "close_all", lambda: closed.append(threading.current_thread()))
    with connection.execute_wrapper(refuse), monkeypatch.context() as clock:
        clock.setattr(stop, "wait", pauses.append)
        work(stop, Engine(""))
    assert pauses == [0.01, 0.02, 0.04, 0.04, POLL_S, 0.01, POLL_S]
    assert closed.count(threading.main_thread()) == 5  # replaced above, since the test's transaction is on it


def test_an_emptied_database_is_noticed():
    """Guard: populace/audit/worker.py:look."""
    Counter.objects.all().delete()
    with pytest.raises(RuntimeError):
        step()
