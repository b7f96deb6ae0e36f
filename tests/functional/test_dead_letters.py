"""What operators do with tasks that were given up."""

import json
import subprocess
import sys
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from populace.audit.dead_letters import NotDead, dead_ids, drop_task, retry_task
from populace.audit.models import Event, Outbox
from populace.infra.tasks.models import TaskRow
from tests.support.effects import tasks as effects
from tests.support.installation import Installation
from tests.support.processes import ROOT
from tests.support.sql import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def dead():
    """A dead letter."""
    now = timezone.now()
    return TaskRow.objects.create(
        name=effects.nothing.module_path,
        args={"args": [], "kwargs": {}},
        state=TaskRow.DEAD,
        attempts=5,
        error="builtins.ValueError\nno",
        due_at=now,
        enqueued_at=now,
        started_at=now,
        finished_at=now,
    )


def test_a_dead_letter_that_is_retried_is_due_with_all_its_tries_and_the_log_names_who_did_it(dead, actor):
    """Guard: populace/audit/dead_letters.py:retry_task."""
    retry_task(dead.id, by=actor)
    row = TaskRow.objects.get()
    assert (row.state, row.attempts, row.error, row.started_at, row.finished_at) == (TaskRow.OPEN, 0, "", None, None)
    assert row.due_at <= timezone.now()
    event = Event.objects.get(action="task.retried")
    assert (event.subject_id, event.subject_kind, event.actor) == (dead.id, "task", actor.id)
    assert Outbox._base_manager.get().event_id == event.id


def test_a_dead_letter_that_is_dropped_is_gone_and_the_log_names_who_did_it(dead, actor):
    """Guard: populace/audit/dead_letters.py:drop_task."""
    drop_task(dead.id, by=actor)
    assert not TaskRow.objects.exists()
    event = Event.objects.get(action="task.dropped")
    assert event.details["changes"] == {"task": {"old": dead.name, "new": None}}


@pytest.mark.parametrize("verb", [retry_task, drop_task])
def test_only_a_dead_letter_is_retried_or_dropped(dead, actor, verb):
    """Guard: populace/audit/dead_letters.py:_locked."""
    for state in (TaskRow.OPEN, TaskRow.DONE, TaskRow.SENT):
        TaskRow.objects.update(state=state)
        with pytest.raises(NotDead):
            verb(dead.id, by=actor)
    with pytest.raises(NotDead):
        verb(uuid4(), by=actor)
    assert not Event.objects.exists()


@pytest.mark.parametrize("verb", [retry_task, drop_task])
def test_what_is_not_in_the_log_does_not_happen(dead, actor, verb):
    """Guard: populace/audit/dead_letters.py (one transaction)."""

    def refuse(execute, sql, *args):
        if "audit_event" in sql:
            raise DatabaseError("no")
        return execute(sql, *args)

    with connection.execute_wrapper(refuse), pytest.raises(DatabaseError):
        verb(dead.id, by=actor)
    assert TaskRow.objects.get().state == TaskRow.DEAD


def test_what_is_given_up_later_is_not_among_all_that_are_retried(dead):
    """Guard: populace/audit/dead_letters.py:dead_ids (until)."""
    assert dead_ids(10, dead.finished_at) == [dead.id]
    assert dead_ids(10, dead.finished_at - timedelta(seconds=1)) == []


def test_the_command_line_lists_retries_and_drops(installation: Installation):
    bury(installation, 3)
    listed = [json.loads(line) for line in installation.populace("task", "list", "--dead", "--json").splitlines()]
    assert [(row["task"], row["error"], row["lane"]) for row in listed] == [("os.system", "why\nframes", "default")] * 3
    assert installation.populace("task", "list", "--dead").splitlines()[0].endswith(" os.system why")
    assert installation.populace("task", "list") == ""
    assert installation.populace_json("task", "drop", listed[0]["id"]) == {"dropped": 1}
    assert installation.populace_json("task", "retry", listed[1]["id"]) == {"retried": 1}
    assert installation.populace_json("task", "retry", "--all") == {"retried": 1}
    assert len(installation.populace("task", "list").splitlines()) == 2
    installation.populace("task", "retry", expected=2)
    installation.populace("task", "retry", listed[0]["id"], expected=4)
    installation.populace("task", "drop", listed[1]["id"], expected=4)
    actions = rows(installation.env["DATABASE_URL"], "SELECT action FROM audit_event WHERE subject_kind = 'task'")
    assert sorted(actions) == [("task.dropped",), ("task.retried",), ("task.retried",)]


@pytest.mark.parametrize("url", ["rq+redis://127.0.0.1:1/0", "q2+redis://127.0.0.1:1/0", "celery+amqp://127.0.0.1:1//"])
def test_doctor_says_when_the_broker_does_not_answer_and_how_much_was_given_up(installation, url):
    bury(installation, 2)
    installation.env["TASKS_URL"] = url
    lines = installation.populace("doctor", "--json", expected=1).splitlines()
    found = {line["check"]: line for line in map(json.loads, lines)}
    assert found["broker"]["detail"].startswith("TASKS_URL: does not answer (")
    assert found["tasks"]["detail"].startswith("2 given up")
    assert [name for name, line in found.items() if not line["ok"]] == ["broker"]


def bury(installation, count: int) -> None:
    """Put dead letters into an installation's database."""
    code = f"""
import django; django.setup()
from django.utils import timezone
from populace.infra.tasks.models import TaskRow
for _ in range({count}):
    now = timezone.now()
    TaskRow.objects.create(name="os.system", state=TaskRow.DEAD, error="why\\nframes", due_at=now, enqueued_at=now)
"""
    env = installation.env | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, check=True, timeout=60)
