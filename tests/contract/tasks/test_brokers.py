"""What brokers may do to us, and what they may not: real ones that vanish, forget, and bring what nobody of us sent."""

import pickle
from pathlib import Path
from uuid import uuid4

import pytest
from django.utils import timezone

from tests.contract.tasks.conftest import BROKERED

pytestmark = [
    pytest.mark.parametrize("engine_name", BROKERED, indirect=True, scope="module"),
    pytest.mark.timeout(180),
]


def happen(crew, count: int) -> list[str]:
    """Commit events as a verb would; returns their subjects, which their task leaves as effects."""
    from populace.audit.models import Outbox
    from tests.support.crew import ALIAS

    subjects = [uuid4() for _ in range(count)]
    now = timezone.now()
    with crew.blocker.unblock():
        Outbox._base_manager.using(ALIAS).bulk_create(
            Outbox(event_id=uuid4(), subject_id=subject, action="test.noted", at=now) for subject in subjects
        )
    return [str(subject) for subject in subjects]


def waiting_events(crew) -> int:
    from populace.audit.models import Outbox
    from tests.support.crew import ALIAS

    with crew.blocker.unblock():
        return Outbox._base_manager.using(ALIAS).count()


def test_f29_a_broker_that_restarts_empty_loses_no_task(crew, broker):
    """Guards: populace/infra/tasks/engines/base.py:Engine.call_back, populace/infra/tasks/transit.py:call_back."""
    from populace.infra.tasks.models import TaskRow

    slow = crew.put("sleeps", "slow", 3)
    crew.until(lambda: "slow begun" in crew.effects(), "the lane is busy")
    ids = [crew.put("note", f"f29 {number}") for number in range(40)]
    crew.until(lambda: all(crew.row(id).state == TaskRow.SENT for id in ids), "all are on their way")
    broker.kill()
    broker.start()
    crew.age(state=TaskRow.SENT)
    crew.until(lambda: all(map(crew.is_done, [slow, *ids])), "all are done", 90)
    left = [effect for effect in crew.effects() if effect.startswith("f29")]
    assert sorted(left) == sorted(f"f29 {number}" for number in range(40))


def test_f29_while_the_broker_is_away_events_are_dispatched_and_their_tasks_wait(crew, broker):
    """Guards: populace/infra/tasks/engines/base.py:Broker._send_off (undo), audit/worker.py:work."""
    from populace.infra.tasks.models import TaskRow

    broker.kill()
    subjects = happen(crew, 30)
    crew.until(lambda: not waiting_events(crew), "dispatched without a broker")
    crew.until(lambda: "task_broker_away" in crew.log(), "the worker says so")
    with crew.rows() as rows:
        crew.until(lambda: rows.filter(state=TaskRow.OPEN, attempts=0).count() == 30, "none is taken for sent")
    assert not set(subjects) & set(crew.effects())
    broker.start()
    crew.until(lambda: set(subjects) <= set(crew.effects()), "all are done", 90)
    assert len(crew.effects()) == len(set(crew.effects()))


def test_what_waits_in_the_broker_is_not_sent_again(crew):
    """Guard: populace/infra/tasks/engines/base.py:Engine.call_back (only what is missing there)."""
    crew.put("sleeps", "busy", 4)
    crew.until(lambda: "busy begun" in crew.effects(), "the lane is busy")
    ids = [crew.put("note", f"once {number}") for number in range(10)]
    crew.until(lambda: all(crew.row(id).state == 3 for id in ids), "all are on their way")
    said = len(crew.log())
    for id in ids:
        crew.age(id=id)  # more than one worker would be waited for
    crew.until(lambda: all(map(crew.is_done, ids)), "done")
    assert "task_ids_lost" not in crew.log()[said:]


def test_what_the_broker_has_lost_is_sent_again_though_the_lane_is_never_empty(crew):
    """Guard: populace/infra/tasks/engines/base.py:Engine.call_back (BUSY_S)."""
    from populace.infra.tasks.transit import BUSY_S

    crew.put("sleeps", "long", 10)
    crew.until(lambda: "long begun" in crew.effects(), "the lane is busy")
    others = [crew.put("note", f"other {number}") for number in range(10)]
    crew.until(lambda: all(crew.row(id).state == 3 for id in others), "others wait in the broker")
    lost = crew.put("note", "lost", state=3, due_in_s=-2 * BUSY_S)
    crew.until(lambda: crew.row(lost).due_at > timezone.now(), "sent again", 9)
    assert "long done" not in crew.effects()
    crew.until(lambda: all(map(crew.is_done, [lost, *others])), "all are done", 40)
    assert crew.effects().count("lost") == 1


class Forged(str):
    """Would make a file if it were unpickled."""

    def __reduce__(self):
        return Path.touch, (Path(str(self)),)


def by_celery(url: str, trap: Path, known: str) -> None:
    from celery import Celery

    app = Celery("attacker", broker=url)
    for name, args in [
        ("os.system", [f"touch {trap}"]),
        ("populace.run", ["no id"]),
        ("populace.run", []),
        ("populace.run", [known, known]),
        ("populace.run", [{"id": known}]),
        ("populace.run", ["x" * (10 << 20)]),
        ("populace.run", [str(uuid4())]),
        ("populace.run", [known]),
    ]:
        app.send_task(name, args, queue="populace.default")
    app.send_task("populace.run", [Forged(trap)], queue="populace.default", serializer="pickle")


def by_rq(url: str, trap: Path, known: str) -> None:
    from redis import Redis
    from rq import Callback, Queue

    redis = Redis.from_url(url)
    system = {"on_success": Callback("os.system"), "on_failure": Callback("os.system")}
    for name, job_id in [("os.system", None), ("os.system", known), ("os.system", str(uuid4())), ("no id", "no_id")]:
        queue = Queue("populace:default", connection=redis, serializer="json")
        queue.enqueue(name, f"touch {trap}", job_id=job_id, **system)
    pickled = Queue("populace:default", connection=redis)  # RQ's own default
    pickled.enqueue("builtins.print", Forged(trap))
    redis.rpush("rq:queue:populace:default", "there is no such job")


def by_q2(url: str, trap: Path, known: str) -> None:
    from django.core import signing
    from redis import Redis

    redis = Redis.from_url(url)
    forged = pickle.dumps({"id": known, "func": "os.system", "args": Forged(trap)})
    for text in (forged, b"", b"no id", signing.dumps({"id": known}, key="another").encode(), b"x" * (10 << 20)):
        redis.rpush("django_q:populace:default:q", text)


ATTACKS = {"celery": by_celery, "rq": by_rq, "q2": by_q2}


def test_a62_what_we_did_not_send_does_nothing_and_holds_up_nobody(crew, broker, engine_name, tmp_path):
    """A dotted path to os.system, a pickle, 10 MiB, ids of nothing, a finished task played again.

    Guards: populace/infra/tasks/engines/base.py:deliver, populace/infra/tasks/transit.py:take, and in each engine that
    nothing but an id is read of a message (celery.py: SETTINGS, rq.py: Worker, q2.py: _opened).
    """
    trap = tmp_path / "trap"
    done = crew.put("note", "played again")
    crew.until(lambda: crew.is_done(done), "done")
    kept = crew.row(done)
    ATTACKS[engine_name.partition("+")[0]](broker.url(), trap, str(done))
    good = crew.put("note", "good")
    crew.until(lambda: crew.age(id=good, state=3) or crew.is_done(good), "the good one", 60)
    after = crew.row(done)
    assert crew.effects().count("played again") == 1
    assert (after.fence, after.finished_at, after.attempts) == (kept.fence, kept.finished_at, kept.attempts)
    assert not trap.exists()
