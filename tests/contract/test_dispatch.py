"""What the dispatcher promises, on every engine."""

import threading
from uuid import uuid4

import pytest
from django.db import connection, connections, transaction
from django.tasks import task
from django.utils import timezone

from populace.audit import dispatch as module
from populace.audit.actions import recorded
from populace.audit.consequences import CONSEQUENCES, on
from populace.audit.dispatch import dispatch
from populace.audit.models import Counter, Event, Feed, Outbox
from populace.infra.db.write import write
from populace.infra.tasks.models import TaskRow
from populace.infra.telemetry import metrics

pytestmark = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True, serialized_rollback=True)  # the counter's row comes by migration


@task(queue_name="mail")
def first(event_id, subject_id): ...


@task
def second(event_id, subject_id): ...


@pytest.fixture(autouse=True)
def _consequences(monkeypatch):
    monkeypatch.setitem(CONSEQUENCES, "test.happened", [])
    on("test.happened", first)
    on("test.happened", second)
    on("test.happened", first)  # registered twice, done once


@pytest.fixture
def happens(actor):
    def happen(action="test.happened", *, quiet=False, **more):
        event, outbox = recorded(
            subject_id=uuid4(), subject_kind="person", action=action, by=actor, at=timezone.now(), quiet=quiet, **more
        )
        write([event, outbox])
        return event

    return happen


def feed():
    return list(Feed.objects.order_by("seq").values_list("seq", "event_id"))


def test_an_event_is_recorded_with_its_author_and_what_changed(happens, actor):
    id = happens(changes={"email": {"old": "", "new": "ada@example.com"}}).id
    event = Event.objects.get(id=id)
    assert (event.action, event.actor, event.request_id) == ("test.happened", actor.id, actor.request_id)
    assert event.details == {
        "changes": {"email": {"old": "", "new": "ada@example.com"}},
        "address": actor.address,
        "user_agent": actor.user_agent,
    }


def test_events_get_gapless_numbers_and_their_tasks(happens):
    moved = metrics.EVENTS_DISPATCHED._value.get()
    start = Counter.objects.get(name="feed").value
    events = [happens(), happens("test.nobody_cares"), happens(quiet=True)]
    assert dispatch() == 3
    assert feed() == [(start + number, event.id) for number, event in enumerate(events, 1)]
    assert Feed.objects.get(event_id=events[0].id).subject_id == events[0].subject_id
    tasks = TaskRow.objects.order_by("lane").values_list("name", "args")
    arguments = {"args": [str(events[0].id), str(events[0].subject_id)], "kwargs": {}}
    assert list(tasks) == [(first.module_path, arguments), (second.module_path, arguments)]
    assert not Outbox.objects.exists()
    assert metrics.EVENTS_DISPATCHED._value.get() == moved + 3
    assert dispatch() == 0


def test_f25_the_same_event_and_task_always_have_the_same_row(happens):
    """Guard: populace/audit/dispatch.py:_tasks (a name-based id)."""
    event = happens()
    dispatch()
    ids = set(TaskRow.objects.values_list("id", flat=True))
    TaskRow.objects.all().delete()
    write([Outbox(event_id=event.id, subject_id=event.subject_id, action="test.happened", at=event.at)])
    dispatch()
    assert set(TaskRow.objects.values_list("id", flat=True)) == ids


def test_a_batch_is_bounded(happens, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 2)
    events = [happens() for _ in range(3)]
    assert [dispatch(), dispatch(), dispatch()] == [2, 1, 0]
    assert [id for _, id in feed()] == [event.id for event in events]


@committed
def test_f25_a_dispatcher_that_dies_leaves_nothing_behind(happens, monkeypatch):
    """Guard: populace/audit/dispatch.py:dispatch (one transaction)."""
    happens()
    with monkeypatch.context() as broken:
        broken.setitem(CONSEQUENCES, "test.happened", [first, None])
        with pytest.raises(AttributeError):
            dispatch()
    assert (feed(), TaskRow.objects.count(), Outbox.objects.count()) == ([], 0, 1)
    assert dispatch() == 1
    assert (len(feed()), TaskRow.objects.count(), Outbox.objects.count()) == (1, 2, 0)


@pytest.mark.only_on("postgresql", "SQLite has one writer at a time: no commit can overtake another")
@committed
@pytest.mark.parametrize("moment", ["after", "between reading and deleting"])
def test_an_event_that_commits_late_is_not_skipped(happens, engine, moment):
    """Guard: populace/audit/dispatch.py:_move (rows are deleted by id, not up to an id)."""
    drawn, go = threading.Event(), threading.Event()
    late = []

    def slow_writer():
        try:
            with transaction.atomic():
                late.append(happens())
                drawn.set()
                go.wait()
        finally:
            connections.close_all()

    def let_it_commit(execute, sql, *args):
        if moment != "after" and "audit_feed" in sql:
            go.set()
            thread.join()
        return execute(sql, *args)

    thread = threading.Thread(target=slow_writer)
    thread.start()
    drawn.wait()
    early = happens()
    with connection.execute_wrapper(let_it_commit):
        assert dispatch() == 1
    go.set()
    thread.join()
    assert dispatch() == 1
    assert [id for _, id in feed()] == [early.id, late[0].id]


@committed
def test_two_dispatchers_never_work_at_once(happens):
    """Guard: populace/audit/dispatch.py:dispatch (the counter's row lock; SQLite: IMMEDIATE)."""
    expected = {happens().id for _ in range(60)}
    moved, failures = [], []

    def dispatcher():
        try:
            moved.extend(dispatch() for _ in range(20))
        except Exception as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=dispatcher) for _ in range(3)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BATCH", 4)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        while dispatch():
            pass
    assert not failures
    rows = feed()
    assert {id for _, id in rows} == expected
    start = rows[0][0]
    assert [seq for seq, _ in rows] == list(range(start, start + 60))
    assert TaskRow.objects.count() == 120
