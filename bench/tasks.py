"""`make bench-tasks`: the engines of background work side by side. See docs/reference/tasks.md.

From the environment: TASKS (no-op tasks that are drained, 2,000), SINGLE (tasks one at a time, 30), SAVE (tasks).
"""

import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from uuid import uuid4

import psycopg

from bench.report import aligned, save
from bench.run import number
from tests.support.brokers import Broker, RabbitMQ, Redis
from tests.support.installation import Installation
from tests.support.postgresql import PostgreSQL
from tests.support.processes import wait_until

BROKERS: dict[str, type[Broker] | None] = {
    "database": None,
    "celery+redis": Redis,
    "celery+amqp": RabbitMQ,
    "rq+redis": Redis,
    "q2+redis": Redis,
}
PUT = """
INSERT INTO tasks_taskrow (id, name, args, lane, state, due_at, fence, attempts, enqueued_at, error)
SELECT gen_random_uuid(), 'tests.support.effects.tasks.nothing', '{"args": [], "kwargs": {}}', 1, 0, t, 0, 0, t, ''
FROM generate_series(1, %s), (SELECT clock_timestamp() AS t) AS now
"""
DONE = "SELECT count(*) FROM tasks_taskrow WHERE state = 1 AND name LIKE '%nothing'"
DRAINED = "SELECT extract(epoch FROM max(finished_at) - min(started_at)) FROM tasks_taskrow WHERE name LIKE '%nothing'"
WAITED = "SELECT extract(epoch FROM started_at - enqueued_at) * 1000 FROM tasks_taskrow WHERE name LIKE '%nothing'"


@contextmanager
def installed(server: PostgreSQL, engine: str) -> Iterator[tuple[Installation, psycopg.Connection]]:
    """Give an installation with one engine, and a connection to its database."""
    kind = BROKERS[engine]
    broker = kind() if kind else None
    url = f"{engine.partition('+')[0]}+{broker.url()}" if broker else "database://"
    folder = Path(tempfile.mkdtemp(prefix="populace-bench-"))
    database = server.create(f"tasks_{uuid4().hex[:8]}")
    settings = {"TASKS_URL": url, "DJANGO_SETTINGS_MODULE": "tests.support.effects.settings", "DATABASE_URL": database}
    made = Installation(folder, **settings)
    try:
        with psycopg.connect(database, autocommit=True) as connection:
            yield made, connection
    finally:
        made.stop()
        if broker:
            broker.stop()
        shutil.rmtree(folder)


def one(connection: psycopg.Connection, statement: str) -> float:
    """Return the one value that a statement finds."""
    found = connection.execute(statement).fetchone()
    assert found
    return float(found[0])


def drained(made: Installation, connection: psycopg.Connection, count: int) -> float:
    """Have the worker run `count` tasks that wait already; returns how many a second."""
    connection.execute("TRUNCATE tasks_taskrow")
    connection.execute(PUT, [count])
    made.start_worker()
    wait_until(lambda: one(connection, DONE) == count, "all are done", 120)
    return count / one(connection, DRAINED)


def waited(connection: psycopg.Connection, count: int) -> list[float]:
    """Put tasks one at a time, at random moments of an idle worker; returns what each waited (ms)."""
    connection.execute("TRUNCATE tasks_taskrow")
    for done in range(count):
        time.sleep(random.uniform(0.05, 0.25))
        connection.execute(PUT, [1])
        wait_until(lambda done=done: one(connection, DONE) == done + 1, "done", 30)
    return [float(value) for (value,) in connection.execute(WAITED)]


def main() -> None:
    """Measure each engine and write the page."""
    count, single = number("TASKS", 2000), number("SINGLE", 30)
    rows = [["engine", "drained a second", "commit to start, median ms", "95th percentile ms"]]
    server = PostgreSQL()
    try:
        for engine in BROKERS:
            with installed(server, engine) as (made, connection):
                per_second = drained(made, connection, count)
                times = waited(connection, single)
            late = quantiles(times, n=20)[-1]
            rows.append([engine, f"{per_second:,.0f}", f"{median(times):,.0f}", f"{late:,.0f}"])
    finally:
        server.stop()
    text = f"""`make bench-tasks`: one `populace worker`, PostgreSQL, {os.cpu_count()} cores, whatever else ran on them.
{count:,} no-op tasks that waited when the worker started; then {single} one at a time, at random moments. A worker
looks every 700 ms, so half of that is the least a median can be.

{aligned(rows, texts=1)}
"""
    print(text)
    print(f"written to {save(text, os.environ.get('SAVE') or 'tasks')}")


if __name__ == "__main__":
    main()
