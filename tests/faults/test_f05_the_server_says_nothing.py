"""F05: every process of PostgreSQL stops in mid-word. Its kernel acknowledges still, so no time-out of TCP's helps."""

import json
import os
import time

import httpx
import pytest

from tests.support.installation import Installation
from tests.support.processes import wait_until
from tests.support.stand import get, kept, load

pytestmark = pytest.mark.only_on("postgresql", "a file is never silent")

SILENT_S = 20 if os.environ.get("FAULT_ROUNDS") else 8
CEILING = 1 if os.environ.get("FAULT_ROUNDS") else 10  # times are taken by `make faults`; elsewhere ten times as long


@pytest.fixture
def server(alone, postgresql):
    alone.start_web()
    yield alone
    postgresql.resume()


def lines(server: Installation, event: str) -> list[dict]:
    text = (server.var / "web.log").read_text().splitlines()
    return [line for line in map(json.loads, text) if line.get("event") == event]


def metric(server: Installation, name: str) -> float:
    found = [line for line in server.http.get("/metrics").text.splitlines() if line.startswith(f"{name} ")]
    return float(found[0].split()[-1]) if found else 0.0


def probed(server: Installation, path: str, until: float) -> list[tuple[float, int, float]]:
    """Ask `path` every 100 ms, each time on a connection of its own; return (when, status, seconds)."""
    seen = []
    while (at := time.monotonic()) < until:
        status = httpx.get(server.url + path, timeout=20).status_code
        seen.append((at, status, time.monotonic() - at))
        time.sleep(0.1)
    return seen


def test_f05_a_silent_server_holds_nobody_for_long(server, postgresql, incident):
    """Guards: populace/infra/db/watch.py:Watch.cut (ends what waits), :Watch.judge (lets nobody else wait),
    populace/infra/db/postgresql/base.py:DatabaseWrapper._make_pool (one thread without a connection), :Pool._wait.
    """
    person = f"/api/v1/users/{server.administrator_id}"
    errors = metric(server, "db_connection_errors_total")
    incident.injected = f"SIGSTOP of all its processes for {SILENT_S} s"
    with load(server, [get(person)] * 6) as answers:
        time.sleep(1)
        assert {answer.what for answer in answers} == {"200"}
        stopped = time.monotonic()
        postgresql.pause()
        live = probed(server, "/livez", stopped + SILENT_S)
        ready = server.http.get("/readyz")
        postgresql.resume()
        resumed = time.monotonic()
        wait_until(lambda: answers[-1].what == "200" and answers[-1].at > resumed, "a GET answers again", 10 * CEILING)
        incident.back_s = time.monotonic() - resumed
        time.sleep(1)
    meanwhile = [answer for answer in answers if stopped < answer.at + answer.took_s < resumed]
    kinds = kept(incident, meanwhile)

    assert {status for _, status, _ in live} == {200}
    assert max(took for _, _, took in live) <= 1 * CEILING
    assert (ready.status_code, ready.json()["detail"]) == (503, "The database does not answer.")
    # Who was under way when it stopped: all connections, which is one thread less than there are. They were cut.
    held = [answer.what for answer in answers if answer.at < stopped + 0.5 and answer.took_s > 3]
    assert held == ["503 unavailable"] * 3
    assert {answer.what for answer in meanwhile if answer.at > resumed - 1.5} == {"503 unavailable"}
    assert set(kinds) <= {"200", "503 unavailable", "503 db_pool_exhausted"}
    assert kinds["503 unavailable"]
    assert all("Retry-After" in answer.headers for answer in meanwhile if answer.what != "200")
    assert max(answer.took_s for answer in meanwhile) <= 6 * CEILING
    assert {answer.what for answer in answers if answer.at > resumed + incident.back_s} == {"200"}
    assert metric(server, "db_connection_errors_total") > errors
    assert [len(lines(server, event)) for event in ("database_lost", "database_back")] == [1, 1]
    assert lines(server, "database_lost")[0]["why"] == "silent"


def test_f05_readiness_is_told_sooner_than_a_request_would_end(server, postgresql, incident):
    """Guards: populace/api/health.py:readyz (its statements are given two seconds)."""
    incident.injected = "SIGSTOP of all its processes"
    postgresql.pause()
    ready = incident.send(server.http, "GET", "/readyz")
    postgresql.resume()
    assert (ready.status_code, ready.json()["detail"]) == (503, "The database does not answer.")
    cut = wait_until(lambda: lines(server, "database_statement_cut"), "the log tells of it")
    assert [line["seconds"] for line in cut] == [2.0]
    wait_until(lambda: server.http.get("/readyz").status_code == 200, "it is ready again", 10 * CEILING)
