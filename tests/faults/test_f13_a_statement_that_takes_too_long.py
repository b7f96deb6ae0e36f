"""F13: a search or an export that the database does not finish, and a client that has not the patience to wait.

(Reports come with the issue that builds them.) The view that a test plants sleeps for longer than statement_timeout
(5 s), in searches or in exports alone.
"""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from populace.bulk.walks import STEP
from tests.support.activity import asleep, make_fast, make_slow
from tests.support.incident import Incident, what
from tests.support.processes import wait_until

pytestmark = pytest.mark.only_on("postgresql", "SQLite ends no statement: its lists are bounded by what they examine")

USERS, SEARCH = "/api/v1/users", "/api/v1/users?q=ann"
SLEEP_S = 120


@pytest.fixture
def server(installation):
    installation.env |= {"POPULACE_WEB_PROCESSES": "2", "POPULACE_WEB_THREADS": "4"}
    make_slow(installation.env["DATABASE_URL"], "AS seen", SLEEP_S)
    installation.start_web()
    installation.http.timeout = 60  # ten times what it may take
    return installation


def test_f13_a_slow_search_is_ended_and_told_and_the_rest_is_served(server, incident: Incident):
    """Guards: config/engines.py:TIMEOUTS_MS (statement_timeout), populace/infra/db/causes.py:CAUSES (57014)."""
    incident.injected = "a search that sleeps"
    url = server.env["DATABASE_URL"]
    # One process may get them all, and has three connections: the third is for the others.
    with ThreadPoolExecutor(2) as pool:
        searches = [pool.submit(incident.send, server.http, "GET", SEARCH) for _ in range(2)]
        wait_until(lambda: len(asleep(url)) == 2, "two searches in the database")
        made = incident.send(server.http, "POST", USERS, json={"username": "ann"})
        served = [
            made.headers["Location"],
            USERS,
            f"{USERS}?username=ann",
            "/api/v1/groups",
            "/api/v1/events",
            "/livez",
        ]
        assert [incident.send(server.http, "GET", path).status_code for path in served] == [200] * len(served)
        assert len(asleep(url)) == 2  # all of that was answered meanwhile
        answers = [search.result() for search in searches]
    assert [what(answer) for answer in answers] == ["503 query_timeout"] * 2
    assert all(answer.headers["Retry-After"] for answer in answers)
    assert asleep(url) == []


def test_f13_the_search_of_a_client_that_hung_up_ends_too(server, incident: Incident):
    """Guard: config/engines.py:TIMEOUTS_MS (statement_timeout): nobody else would end it."""
    incident.injected = "clients hang up while their search runs"
    url = server.env["DATABASE_URL"]
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            head = f"GET {SEARCH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {server.token}\r\n\r\n"
            client.sendall(head.encode())
            before = len(asleep(url))
            wait_until(lambda before=before: len(asleep(url)) > before, "the search in the database")
    hung_up = time.monotonic()
    wait_until(lambda: asleep(url) == [], "its end", 50)
    incident.note = f"gone {time.monotonic() - hung_up:.1f} s after the last had hung up"
    assert incident.send(server.http, "GET", USERS).status_code == 200


@pytest.mark.timeout(180)
def test_f13_a_slow_export_is_ended_goes_on_when_the_database_is_well_and_holds_up_nobody(installation, incident):
    """Guard: config/engines.py:TIMEOUTS_MS (statement_timeout). Only a step of an export has this LIMIT."""
    incident.injected = "an export that sleeps"
    url, http = installation.env["DATABASE_URL"], installation.http
    make_slow(url, f"LIMIT {STEP}", SLEEP_S)
    installation.start_web()
    installation.start_worker()
    job = http.post("/api/v1/exports", json={"format": "csv"}).headers["Location"]
    wait_until(lambda: asleep(url), "the export in the database")
    served = [incident.send(http, "GET", path).status_code for path in (USERS, "/api/v1/groups", job, "/livez")]
    assert served == [200] * 4
    assert len(asleep(url)) == 1  # all of that was answered meanwhile
    wait_until(lambda: asleep(url) == [], "its end", 50)
    assert http.get(job).json()["state"] == "running"
    make_fast(url)
    done = wait_until(lambda: (found := http.get(job).json())["result_url"] and found, "the export", 100)
    assert (done["state"], done["result"]) == ("succeeded", {"rows": 1})
