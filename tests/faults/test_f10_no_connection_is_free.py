"""F10: others hold the server's connections, or every one of a process is taken."""

import fcntl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import psycopg
import pytest

from populace.credentials.hashing import SLOTS
from tests.support.installation import Installation
from tests.support.missing import missing
from tests.support.postgresql import UNSYNCED, NotThere, PostgreSQL
from tests.support.processes import wait_until
from tests.support.stand import get, kept, load

pytestmark = pytest.mark.only_on("postgresql", "a file has as many connections as one likes")

USERS = "/api/v1/users"
CONNECTIONS, RESERVED = 30, 3  # of the server; three are kept for superusers (superuser_reserved_connections)


@pytest.fixture
def postgresql():
    try:
        room = {"max_connections": str(CONNECTIONS), "superuser_reserved_connections": str(RESERVED)}
        server = PostgreSQL(**UNSYNCED, **room)
    except NotThere as reason:
        missing(str(reason))
    with psycopg.connect(server.url("postgres"), autocommit=True) as own:
        own.execute("CREATE ROLE app LOGIN")
        own.execute("CREATE DATABASE populace OWNER app")
    yield server
    server.stop()


@pytest.fixture
def server(tmp_path, postgresql):
    """A running Populace whose role is nobody special: what is reserved for superusers is not for it."""
    url = postgresql.url("populace").replace("populace@", "app@")
    made = Installation(tmp_path, DATABASE_URL=url, POPULACE_WEB_PROCESSES="1")
    made.start_web()
    yield made
    made.stop()


def metric(server: Installation, name: str) -> float:
    lines = [line for line in server.http.get("/metrics").text.splitlines() if line.startswith(f"{name} ")]
    return float(lines[0].split()[-1]) if lines else 0.0


def hold_all(url: str, held: ExitStack) -> int:
    """Take every connection that the server gives; return how many."""
    for number in range(CONNECTIONS):
        try:
            held.enter_context(closing(psycopg.connect(url)))
        except psycopg.OperationalError:
            return number
    raise AssertionError("there is no end to them")


def test_f10_requests_share_what_is_left_wait_a_while_and_are_refused(server, postgresql, incident):
    """Guards: populace/infra/db/pool.py:Pool._tried (tells no room from no server), :Pool._wait (is handed
    a connection of ours where the server has no room), populace/api/problems.py:problem_of (db_pool_exhausted).
    """
    url, person = server.env["DATABASE_URL"], f"{USERS}/{server.administrator_id}"
    incident.injected = "every connection of the server taken"
    assert server.http.get(person).status_code == 200
    with ExitStack() as held, psycopg.connect(postgresql.url("postgres"), autocommit=True) as console:
        assert hold_all(url, held) >= CONNECTIONS - RESERVED - 5
        with load(server, [get(person)] * 6) as answers:  # for three threads with a connection, there is one
            wait_until(lambda: len(answers) >= 60, "requests are answered")
        assert set(kept(incident, answers)) == {"200"}

        own = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app' AND state = 'idle'"
        while hold_all(url, held) == 0:  # its place is free a moment later
            console.execute(f"{own} AND query <> ''")
        refused = incident.send(server.http, "GET", person)
        assert (refused.status_code, refused.json()["code"]) == (503, "db_pool_exhausted")
        assert refused.headers["Retry-After"] == "1"
        assert server.http.get("/livez").status_code == 200
        assert server.http.get("/readyz").json()["code"] == "db_pool_exhausted"
        assert metric(server, "db_pool_wait_seconds_count") >= 1
        with psycopg.connect(postgresql.url("postgres")) as another:  # what is reserved is there
            another.execute("SELECT 1")
    wait_until(lambda: server.http.get(person).status_code == 200, "a GET answers again", 50)


def test_f10_a_full_pool_is_waited_for_as_long_as_the_url_says(installation, incident):
    """Guards: populace/infra/db/pool.py:Pool._claim (never more than pool_max), :Pool._check (pool_wait)."""
    installation.env |= {"POPULACE_WEB_PROCESSES": "1"}
    installation.env["DATABASE_URL"] += "?pool_max=1&pool_wait=0"
    installation.start_web()
    incident.injected = "the only connection of the process taken"
    with load(installation, [get(f"{USERS}?limit=200")] * 4) as answers:
        wait_until(lambda: len(answers) >= 200, "requests are answered")
        with psycopg.connect(installation.env["DATABASE_URL"].partition("?")[0]) as own:
            count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            assert own.execute(count).fetchone() == (2,)
    assert set(kept(incident, answers)) == {"200", "503 db_pool_exhausted"}


def test_f10_whoever_waits_for_a_password_s_hash_holds_no_connection(installation):
    """Guards: populace/credentials/hashing.py:_in_slot (gives the connection back)."""
    installation.env |= {"POPULACE_WEB_PROCESSES": "1"}
    installation.env["DATABASE_URL"] += "?pool_max=1&pool_wait=0"
    installation.start_web()
    slots = installation.var / "run" / "hash"
    slots.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held, ThreadPoolExecutor(1) as other:
        for number in range(SLOTS):
            fcntl.flock(held.enter_context((slots / str(number)).open("w")), fcntl.LOCK_EX)
        body = {"username": "hashed", "password": "correct horse battery staple"}
        waiting = other.submit(installation.http.post, USERS, json=body)
        time.sleep(0.3)  # it waits for a slot by now, and does so for a second
        other_call = installation.http.get(USERS)
        assert not waiting.done()
        assert other_call.status_code == 200
        assert waiting.result().json()["code"] == "overloaded"  # no slot came free
