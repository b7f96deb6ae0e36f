"""Calls with an Idempotency-Key over real processes: at once, after a kill, on several machines."""

import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

import httpx
import psycopg
import pytest

from tests.support.installation import POPULACE
from tests.support.ports import free_port
from tests.support.processes import children, start, stop, wait_until
from tests.support.sql import rows

USERS = "/api/v1/users"
AT_ONCE = 50
DYING_WEB = "from tests.support.dying import serve; serve()"


@pytest.fixture
def several(installation):
    """An installation with four web processes."""
    installation.env |= {"POPULACE_WEB_PROCESSES": "4"}
    installation.start_web()
    wait_until(lambda: len(children(installation.web.pid)) >= 4, "four web processes")
    return installation


@contextmanager
def second_machine(installation):
    """Serve the same database from another var folder; yields its URL."""
    port = free_port()
    var = installation.var / "second"
    var.mkdir()
    with (var / "web.log").open("ab") as log:
        env = installation.env | {"POPULACE_VAR_DIR": str(var), "PORT": str(port)}
        web = start([POPULACE, "serve"], env, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: is_ready(url), "the second machine")
        yield url
    finally:
        stop(web)


def is_ready(url):
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def at_once(installation, urls, body):
    """Send one call AT_ONCE times from a connection each, begun together; return the answers."""
    together = Barrier(AT_ONCE)
    headers = {"Authorization": f"Bearer {installation.token}", "Idempotency-Key": "once"}

    def send(number):
        with httpx.Client(base_url=urls[number % len(urls)], headers=headers, timeout=30) as client:
            together.wait()
            return client.post(USERS, json=body)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(send, range(AT_ONCE)))


def made(installation):
    """Return how many people and events of their making there are, the administrator not counted."""
    url = installation.env["DATABASE_URL"]
    people = rows(url, "SELECT count(*) FROM users_user WHERE username <> ''")
    events = rows(url, "SELECT count(*) FROM audit_event WHERE action = 'user.created'")
    return people[0][0], events[0][0] - 1


@pytest.mark.parametrize("password", [{}, {"password": "correct horse battery staple"}], ids=["plain", "password"])
def test_fifty_creates_at_once_make_one_person(several, password):
    """populace/api/idempotency.py:once, populace/api/inflight.py:_wait (who waits holds no connection)"""
    answers = at_once(several, [several.url], {"username": "once", "email": "once@example.com"} | password)
    assert Counter(answer.status_code for answer in answers) == {201: AT_ONCE}
    assert len({answer.content for answer in answers}) == 1
    assert len({(answer.headers["Location"], answer.headers["ETag"]) for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert made(several) == (1, 1)


@pytest.mark.only_on("postgresql", "SQLite is one machine's")
def test_two_machines_make_one_person(several):
    """They do not see each other's locks: the receipt's primary key decides (populace/api/idempotency.py:_first)."""
    with second_machine(several) as url:
        answers = at_once(several, [several.url, url], {"username": "once", "email": "once@example.com"})
    assert Counter(answer.status_code for answer in answers) == {201: AT_ONCE}
    assert len({answer.content for answer in answers}) == 1
    assert made(several) == (1, 1)


@pytest.mark.parametrize("call", ["create", "patch", "delete", "members", "token"])
def test_a_kill_between_commit_and_reply_then_the_same_again(installation, call):
    """populace/infra/db/write.py:write: the receipt is committed with the effect, or not at all."""
    installation.env |= {"POPULACE_WEB_PROCESSES": "1"}
    log = (installation.var / "web.log").open("ab")
    installation.web = start([sys.executable, "-c", DYING_WEB], installation.env, stdout=log, stderr=log)
    wait_until(installation.ready, "web")
    someone = installation.http.post(USERS, json={"username": "someone"}).json()["id"]
    group = installation.http.post("/api/v1/groups", json={"name": "Staff"}).json()["id"]
    method, path, body = {
        "create": ("POST", USERS, {"username": "once", "email": "once@example.com"}),
        "patch": ("PATCH", f"{USERS}/{someone}", {"first_name": "Zoë"}),
        "delete": ("DELETE", f"{USERS}/{someone}", None),
        "members": ("POST", f"/api/v1/groups/{group}/members", {"add": [someone]}),
        "token": ("POST", "/api/v1/tokens", {"name": "once", "scopes": ["users:read"]}),
    }[call]

    def events():
        return rows(installation.env["DATABASE_URL"], "SELECT count(*) FROM audit_event")[0][0]

    def send(**headers):
        headers["Idempotency-Key"] = "once"
        return installation.http.request(method, path, json=body, headers=headers)

    before = events()
    with pytest.raises(httpx.TransportError):
        send(**{"X-Test-Die": "1"})
    assert events() == before + 1
    wait_until(installation.ready, "another web process")
    first, second = send(), send()
    assert first.status_code == {"create": 201, "token": 201, "delete": 204}.get(call, 200), first.text
    assert (first.headers["Idempotency-Replayed"], first.content) == ("true", second.content)
    assert events() == before + 1
    if call in ("create", "patch"):
        person = first.json()
        assert installation.http.get(f"{USERS}/{person['id']}").content == first.content
        assert person["username" if call == "create" else "first_name"] in ("once", "Zoë")
    if call == "members":
        assert first.json() == {"added": [someone], "removed": []}
    if call == "token":
        assert first.json()["secret"] is None
    log.close()


@pytest.mark.only_on("postgresql", "here a row can be held while others are written")
def test_while_the_first_is_at_work_the_second_waits_a_second(several):
    """populace/api/inflight.py:alone"""
    person = several.http.post(USERS, json={"username": "someone"}).json()["id"]
    headers = {"Authorization": f"Bearer {several.token}", "Idempotency-Key": "slow"}

    def send():
        with httpx.Client(base_url=several.url, headers=headers, timeout=30) as client:
            return client.patch(f"{USERS}/{person}", json={"first_name": "Zoë"})

    with psycopg.connect(several.env["DATABASE_URL"]) as holder, ThreadPoolExecutor() as pool:
        holder.execute("SELECT 1 FROM users_user WHERE id = %s FOR UPDATE", [person])
        first = pool.submit(send)
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        wait_until(lambda: rows(several.env["DATABASE_URL"], waiting), "the first call at the row")
        started = time.monotonic()
        second = send()
        waited = time.monotonic() - started
        holder.rollback()
        assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_flight")
        assert 1 <= waited < 2
        assert first.result().status_code == 200
    assert send().content == first.result().content
