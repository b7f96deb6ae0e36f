"""F26: the worker is killed at 40 % of an import, and the one that took over as well; a third ends it.

The suite imports 60,000 rows (with fewer it is over before the second kill), `make faults` 100,000, and FAULT_ROWS says
another number. Nobody waits for the lease here: what is left of it is looked at, then the test has its time pass.
"""

import csv
import io
import os
import signal
import threading

import psycopg
import pytest

from tests.support.processes import wait_until
from tests.support.sql import rows

pytestmark = pytest.mark.only_on("postgresql", "the time of a lease is moved by hand; tests/functional has the others")

ROWS = int(os.environ.get("FAULT_ROWS") or (100_000 if os.environ.get("FAULT_ROUNDS") else 60_000))
PATIENCE_S = 120 + ROWS / 1000  # for a share of them
HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$RdescudvJCsgt3ub+b5dWRWJTmaaJObGWKwk3EMkkzs"
BAD = 500  # every so many rows
LEASE = "SELECT extract(epoch FROM due_at - now()) FROM tasks_taskrow WHERE name = 'populace.bulk.tasks.run_job'"
TOLD = "SELECT action FROM audit_event WHERE subject_kind = 'job' ORDER BY at"


class Watcher(threading.Thread):
    """Looks at the job time and again."""

    def __init__(self, server, location: str) -> None:
        super().__init__(daemon=True)
        self.server, self.location, self.over = server, location, threading.Event()
        self.seen: list[int] = []

    def run(self) -> None:
        while not self.over.wait(0.05):
            self.seen.append(self.job()["progress"]["done"])

    def job(self) -> dict:
        return self.server.http.get(self.location).json()


def people() -> bytes:
    lines = (
        f'person{n},{"nobody" if n % BAD == 0 else f"person{n}@example.com"},Ann,Lee,"{HASH}"\n'
        for n in range(1, ROWS + 1)
    )
    return ("username,email,first_name,last_name,password_hash\n" + "".join(lines)).encode()


def kill_at(server, watcher, share: float) -> None:
    """Kill the worker once this share of the rows is done, and let its lease end."""
    wait_until(lambda: watcher.job()["progress"]["done"] >= share * ROWS, f"{share} are done", PATIENCE_S)
    os.kill(server.worker.pid, signal.SIGKILL)
    server.worker.wait()
    [[left]] = rows(server.env["DATABASE_URL"], LEASE)
    assert left <= 60  # whoever else polls has the job then
    with psycopg.connect(server.env["DATABASE_URL"]) as connection:
        connection.execute("UPDATE tasks_taskrow SET due_at = now() WHERE state = 0")


@pytest.mark.timeout(5 * PATIENCE_S)
def test_f26_two_workers_are_killed_in_the_middle_of_an_import(installation, incident):
    """Guards: populace/bulk/running.py:Running.chunk (rows and progress are one transaction), _begin (job.resumed);
    populace/bulk/import_job.py:_Import._blocks (goes on behind the last chunk).
    """
    incident.injected = f"kill -9 of the worker at 40 % and at 60 % of {ROWS} rows"
    installation.start_web()
    installation.start_worker()
    file = {"file": ("people.csv", people(), "text/csv")}
    location = installation.http.post("/api/v1/imports", files=file).headers["Location"]
    watcher = Watcher(installation, location)
    watcher.start()
    for share in (0.4, 0.6):
        kill_at(installation, watcher, share)
        installation.start_worker()
    job = wait_until(
        lambda: (job := watcher.job())["state"] not in ("queued", "running") and job, "it is over", 2 * PATIENCE_S
    )
    watcher.over.set()
    watcher.join()
    bad = ROWS // BAD
    assert (job["state"], job["progress"]) == ("succeeded", {"done": ROWS, "total": ROWS})
    assert (job["result"]["done"], job["result"]["failed"]) == (ROWS - bad, bad)
    assert watcher.seen == sorted(watcher.seen)
    check_rows(installation.env["DATABASE_URL"], ROWS - bad)
    errors = csv.DictReader(io.StringIO(installation.http.get(job["errors_url"]).text))
    assert [int(row["row"]) for row in errors] == list(range(BAD, ROWS + 1, BAD))
    told = rows(installation.env["DATABASE_URL"], TOLD)
    assert [action for (action,) in told] == ["job.created", "job.resumed", "job.resumed", "job.succeeded"]


def check_rows(url: str, people: int) -> None:
    """See that everybody is there once, with what they claim and one event."""
    [[users, names]] = rows(
        url, "SELECT count(*), count(DISTINCT username) FROM users_user WHERE username LIKE 'person%'"
    )
    assert (users, names) == (people, people)
    [[claims]] = rows(url, "SELECT count(*) FROM users_identifier WHERE key LIKE '%person%'")
    assert claims == 3 * people
    created = "SELECT count(*), count(DISTINCT subject_id) FROM audit_event WHERE action = 'user.created'"
    [[events, subjects]] = rows(url, f"{created} AND details -> 'changes' ? 'first_name'")
    assert (events, subjects) == (people, people)
    feed = "SELECT count(*) FROM audit_feed f JOIN audit_event e ON e.id = f.event_id WHERE e.action = 'user.created'"
    wait_until(
        lambda: rows(url, f"{feed} AND e.details -> 'changes' ? 'first_name'") == [(people,)],
        "all are in the feed",
        PATIENCE_S,
    )
