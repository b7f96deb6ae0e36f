"""F01: kill -9 of one backend. PostgreSQL then ends all others, too, and recovers: every connection breaks."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count

import httpx
import psycopg
import pytest

from tests.support.installation import Installation
from tests.support.postgresql import PostgreSQL
from tests.support.processes import wait_until
from tests.support.stand import get, kept, load

pytestmark = pytest.mark.only_on("postgresql", "a file has no backends")

CEILING = 1 if os.environ.get("FAULT_ROUNDS") else 10  # times are taken by `make faults`; elsewhere ten times as long
USERS = "/api/v1/users"


@pytest.fixture
def server(alone):
    alone.start_web()
    return alone


def backends(server: Installation, where: str) -> list[int]:
    with psycopg.connect(server.env["DATABASE_URL"]) as own:
        query = (
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND "
        )
        return [pid for (pid,) in own.execute(query + where).fetchall()]


def kill_one(server: Installation, postgresql: PostgreSQL, where: str = "TRUE") -> None:
    """Kill one backend, and return when the server has ended all others and takes connections again."""
    before = backends(server, "TRUE")
    killed = wait_until(lambda: backends(server, where), "there is such a backend")[0]
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in before), "all backends have ended")
    wait_until(postgresql.answers, "PostgreSQL has recovered")


def creating(acknowledged: list[str]):
    """Return a call that creates people, each under a key of their own, and notes who was acknowledged."""
    numbers = count()

    def create(client: httpx.Client) -> httpx.Response:
        name = f"ledger{next(numbers)}"
        answer = client.post(USERS, json={"username": name}, headers={"Idempotency-Key": name})
        if answer.status_code == 201:
            acknowledged.append(name)
        return answer

    return create


def metric(server: Installation, name: str) -> float:
    lines = [line for line in server.http.get("/metrics").text.splitlines() if line.startswith(f"{name} ")]
    return float(lines[0].split()[-1]) if lines else 0.0


def test_f01_a_killed_backend_costs_refusals_but_nothing_acknowledged(server, postgresql, incident):
    """Guards: populace/infra/db/compiled.py:Prepared.checked (tells a broken connection from a refused statement),
    populace/api/problems.py:problem_of (503, never 500).
    """
    acknowledged: list[str] = []
    body = {"json": {"username": "killed"}, "headers": {"Idempotency-Key": "killed"}}
    incident.injected = "kill -9 of the backend of a write that waits for a lock"
    errors = metric(server, "db_connection_errors_total")
    calls = [get(f"{USERS}/{server.administrator_id}"), get(USERS), creating(acknowledged)]
    with ThreadPoolExecutor(1) as other, load(server, calls) as answers:
        wait_until(lambda: len(acknowledged) >= 5, "people are created")
        with closing(psycopg.connect(server.env["DATABASE_URL"])) as own:
            own.execute("LOCK TABLE users_identifier IN EXCLUSIVE MODE")
            lost = other.submit(server.http.post, USERS, **body)
            kill_one(server, postgresql, "wait_event_type = 'Lock'")  # and with it the lock's holder
        back = time.monotonic()
        sent = len(acknowledged)
        wait_until(lambda: len(acknowledged) >= sent + 5, "people are created again", 10 * CEILING)
        incident.back_s = time.monotonic() - back
    kinds = kept(incident, answers)

    assert lost.result().status_code == 503
    assert server.http.post(USERS, **body).status_code == 201
    assert set(kinds) <= {"200", "201", "503 unavailable", "503 db_pool_exhausted"}
    assert kinds["503 unavailable"]
    assert max(answer.took_s for answer in answers) <= 5 * CEILING
    assert metric(server, "db_connection_errors_total") > errors
    found = [server.http.get(USERS, params={"username": name}).json()["results"] for name in [*acknowledged, "killed"]]
    assert {len(people) for people in found} == {1}


def test_f01_no_write_is_sent_on_a_connection_that_the_server_had_closed(server, postgresql, incident):
    """Guards: populace/infra/db/pool.py:Pool._kept (looks at each connection before it gives it out)."""
    incident.injected = "kill -9 of an idle backend"
    with load(server, [get(USERS)] * 6) as answers:
        wait_until(lambda: len(backends(server, "TRUE")) == 3, "all connections of the pool are there")
    assert {answer.what for answer in answers} == {"200"}
    kill_one(server, postgresql)

    with ThreadPoolExecutor(3) as clients:
        bodies = [{"username": f"later{number}"} for number in range(12)]
        created = list(clients.map(lambda body: incident.send(server.http, "POST", USERS, json=body), bodies))
    assert {answer.status_code for answer in created} == {201}
