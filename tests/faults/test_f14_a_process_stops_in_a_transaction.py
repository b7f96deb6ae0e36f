"""F14: a web process stands still (SIGSTOP) in the middle of a transaction that holds rows.

A trigger that the test plants waits for a lock of the test's own, so the process is caught at one certain statement.
"""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from tests.support.activity import OTHERS
from tests.support.incident import Incident, what
from tests.support.processes import children, connected_from, wait_until
from tests.support.sql import rows

pytestmark = pytest.mark.only_on("postgresql", "on SQLite the stopped process is the database")

USERS, GROUPS = "/api/v1/users", "/api/v1/groups"
LOCK = 14
CATCH = f"""
CREATE FUNCTION catch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  PERFORM pg_advisory_xact_lock({LOCK}); RETURN NEW;
END $$;
CREATE TRIGGER catch BEFORE INSERT ON groups_membership FOR EACH ROW EXECUTE FUNCTION catch();
"""
CAUGHT = f"SELECT client_port, pid {OTHERS} AND wait_event = 'advisory'"
IDLE_S = 10  # idle_in_transaction_session_timeout of config/engines.py


@pytest.fixture
def server(installation):
    installation.env |= {"POPULACE_WEB_PROCESSES": "2"}
    with psycopg.connect(installation.env["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(CATCH)
    installation.start_web()
    return installation


@pytest.fixture
def stopped():
    """Stops processes; whatever happens they go on in the end."""
    pids: list[int] = []

    def stop(pid: int) -> None:
        pids.append(pid)
        os.kill(pid, signal.SIGSTOP)

    yield stop
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def done(server, incident: Incident, method: str, path: str, **options) -> bool:
    """Ask once by a connection of its own; the stopped process may have taken it: then nobody answers in time."""
    try:
        with httpx.Client(base_url=server.url, headers=server.http.headers, timeout=3) as client:
            return incident.send(client, method, path, **options).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.timeout(120)
def test_f14_a_stopped_process_loses_its_rows_and_answers_503_when_it_goes_on(server, stopped, incident: Incident):
    """Guards: config/engines.py:TIMEOUTS_MS (idle_in_transaction_session_timeout), populace/infra/db/retry.py:WITHIN_S
    (it is too late to repeat).
    """
    incident.injected = "SIGSTOP of a web process that holds rows"
    url = server.env["DATABASE_URL"]
    person = server.http.post(USERS, json={"username": "held"}).headers["Location"]
    group = server.http.post(GROUPS, json={"name": "held"}).headers["Location"]
    add, key = {"add": [person.rpartition("/")[2]]}, {"Idempotency-Key": "stopped"}

    with psycopg.connect(url, autocommit=True) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute(f"SELECT pg_advisory_lock({LOCK})")
        waits = pool.submit(incident.send, server.http, "POST", f"{group}/members", json=add, headers=key, timeout=60)
        ((port, backend),) = wait_until(lambda: rows(url, CAUGHT), "the process in its transaction")
        pid = connected_from(children(server.web.pid), port)
        stopped(pid)
        began = time.monotonic()
        holder.execute(f"SELECT pg_advisory_unlock({LOCK})")
        state = f"SELECT state, wait_event {OTHERS} AND pid = {backend}"
        wait_until(lambda: rows(url, state) == [("idle in transaction", "ClientRead")], "a transaction that idles")
        with psycopg.connect(url) as psql, pytest.raises(psycopg.errors.LockNotAvailable):
            psql.execute("SELECT 1 FROM users_user WHERE username = 'held' FOR UPDATE NOWAIT")

        wait_until(lambda: rows(url, state) == [], "the end of its connection", 10 * IDLE_S)
        incident.note = f"rows free {time.monotonic() - began:.1f} s after the stop"
        change = {"first_name": "Ann"}
        wait_until(lambda: done(server, incident, "PATCH", person, json=change), "another process's change", 30)
        assert server_has(url, person) == ("Ann", 2)
        os.kill(pid, signal.SIGCONT)
        answer = waits.result()

    assert (what(answer), answer.headers["Retry-After"]) == ("503 unavailable", "1")
    assert pid in children(server.web.pid)
    assert rows(url, "SELECT 1 FROM groups_membership") == []
    again = server.http.post(f"{group}/members", json=add, headers=key)
    assert (again.status_code, again.json()["added"]) == (200, add["add"])
    read = {what(server.http.get(person)) for _ in range(20)}  # by either process
    assert read == {"200"}


def server_has(url: str, person: str) -> tuple[str, int]:
    return rows(url, f"SELECT first_name, version FROM users_user WHERE id = '{person.rpartition('/')[2]}'")[0]
