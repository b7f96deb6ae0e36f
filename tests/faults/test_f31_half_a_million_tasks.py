"""F31: half a million tasks are queued at once, and mail does not wait for them."""

import psycopg
import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from populace.infra.tasks.queue import CLAIM_ROWS, LANES, due_rows
from populace.infra.tasks.transit import WINDOW
from tests.support.crew import ALIAS, TASKS, Crew
from tests.support.plans import explain_sql
from tests.support.sql import rows as found

pytestmark = pytest.mark.only_on("postgresql", "asks PostgreSQL's plans and its list of connections")
QUEUED = 500_000
CONNECTIONS = 5  # of a worker: docs/reference/settings.md
FILL = f"""
INSERT INTO tasks_taskrow (id, name, args, lane, state, due_at, fence, attempts, enqueued_at, error)
SELECT gen_random_uuid(), '{TASKS}.nothing', '{{"args": [], "kwargs": {{}}}}', 2, 0, now() - interval '1 hour', 0, 0,
       now(), ''
FROM generate_series(1, {QUEUED})
"""


@pytest.fixture
def crew(tmp_path, django_db_setup, django_db_blocker):
    """A database of tasks; the test starts the worker."""
    made = Crew(tmp_path, django_db_blocker, "database://")
    yield made
    made.close()


@pytest.mark.timeout(300)
def test_f31_half_a_million_queued_tasks_hold_up_no_mail(crew, incident):
    """Guards: populace/infra/tasks/engines/database.py:Engine.serving (own lane), models.py (the index task_due)."""
    incident.injected, incident.rounds = "500,000 bulk tasks queued at once", 1
    url = crew.installation.env["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(FILL)
    crew.start()
    crew.until(lambda: done(url) > 0, "bulk tasks are being run")
    mail = [crew.put("note", f"reset {number}", lane="mail") for number in range(20)]
    crew.until(lambda: all(map(crew.is_done, mail)), "the mails", 50)
    assert done(url) < QUEUED // 2  # they were not waited for
    name = url.rpartition("/")[2]
    [[busy]] = found(url, f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()")
    assert busy <= CONNECTIONS + 1  # and this test's own
    incident.note = f"20 mails done while {done(url)} of them were; a claim reads its own rows"
    crew.kill()
    for lane in LANES.values():
        for limit in (1, CLAIM_ROWS, WINDOW):
            plan = plan_of_a_claim(crew, lane, limit)
            assert (plan.indexes, plan.sorts) == ({"task_due"}, False)
            assert plan.read["tasks_taskrow"] <= limit
    was, left = shrunk(url)
    assert left < was // 10  # its pages go back to the file system: nothing of ours holds on to them


def done(url: str) -> int:
    [[count]] = found(url, "SELECT count(*) FROM tasks_taskrow WHERE state = 1 AND lane = 2")
    return int(count)


def shrunk(url: str) -> tuple[int, int]:
    """Delete the tasks as the upkeep does in the end, and vacuum; returns the table's bytes before and after."""
    size = "SELECT pg_relation_size('tasks_taskrow')"
    with psycopg.connect(url, autocommit=True) as connection:
        [was] = connection.execute(size).fetchone()
        connection.execute("DELETE FROM tasks_taskrow")
        connection.execute("VACUUM tasks_taskrow")
        [left] = connection.execute(size).fetchone()
    return was, left


def plan_of_a_claim(crew, lane: int, limit: int):
    """Return the plan of what a worker sends to claim, or to fill a broker's window."""
    connection = connections[ALIAS]
    with crew.blocker.unblock(), transaction.atomic(using=ALIAS), CaptureQueriesContext(connection) as log:
        list(due_rows(lane, timezone.now()).using(ALIAS)[:limit])
        return explain_sql(log[-1]["sql"], connection, run=True)
