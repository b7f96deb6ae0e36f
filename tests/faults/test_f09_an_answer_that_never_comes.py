"""F09: a change is done, and the line breaks before anybody can be told.

The client sees 503 and sends the same again with its Idempotency-Key: it has the original answer, and one effect.
`make faults` loses 200 answers of each call, the suite five. (Bulk creation over HTTP, and resets, come with the issues
that build them; an import has no key: sent again, it changes nothing.)
"""

import os
from collections import Counter

import pytest

from tests.support.incident import Incident
from tests.support.processes import wait_until
from tests.support.sql import rows

pytestmark = pytest.mark.only_on("postgresql", "a file has no line that could break")

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "5"))
USERS, TOKENS = "/api/v1/users", "/api/v1/tokens"
ALONE, COMMIT = (
    'INSERT INTO "audit_event"',
    "COMMIT",
)  # a statement that is its own transaction; the end of a longer one


@pytest.fixture
def server(installation, proxy):
    """Two web processes whose lines to the database go through the proxy; the worker's do not."""
    installation.start_worker()
    direct = installation.env["DATABASE_URL"]
    installation.env |= {"DATABASE_URL": proxy.url(direct), "POPULACE_WEB_PROCESSES": "2"}
    installation.start_web()
    installation.env["DATABASE_URL"] = direct
    return installation


def events(server) -> int:
    return rows(server.env["DATABASE_URL"], "SELECT count(*) FROM audit_event")[0][0]


def connection_errors(server) -> float:
    text = server.http.get("/metrics").text
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith("db_connection_errors_total ")))


def prepared(server, call: str, number: int) -> tuple[str, str, dict | None, str]:
    """Make what the call is about; return it as method, path, body, and the statement whose answer is lost."""
    if call == "create":
        return "POST", USERS, {"email": f"person{number}@example.com"}, ALONE
    if call == "revoke":
        token = server.http.post(TOKENS, json={"name": "lost", "scopes": ["users:read"]}).json()["id"]
        return "DELETE", f"{TOKENS}/{token}", None, ALONE
    person = server.http.post(USERS, json={"username": f"person{number}"}).json()["id"]
    if call == "password":
        return "POST", f"{USERS}/{person}/password", {"password": "correct horse battery staple"}, ALONE
    return "POST", f"{USERS}/{person}/deactivate", None, COMMIT


@pytest.mark.timeout(900)
@pytest.mark.parametrize("call", ["create", "revoke", "password", "deactivate"])
def test_f09_an_answer_lost_after_commit_is_503_and_the_key_settles_it(server, proxy, incident: Incident, call):
    """Guards: populace/infra/db/retry.py:bears_repeat (`sent`: nothing is done twice by itself), which
    populace/infra/db/write.py:write and retry.py:atomic set; write.py:write (the receipt goes along).
    """
    incident.injected, incident.rounds = f"{call}: line reset after the server has committed", ROUNDS
    for number in range(ROUNDS):
        method, path, body, statement = prepared(server, call, number)
        key, before = {"Idempotency-Key": f"once-{number}"}, events(server)
        proxy.lose_answer(lambda sql, part=statement: sql == part if part == COMMIT else part in sql)
        first = incident.send(server.http, method, path, json=body, headers=key)
        assert proxy.lost == number + 1
        assert (first.status_code, first.json()["code"]) == (503, "unavailable")
        assert first.headers["Retry-After"]
        assert events(server) == before + 1  # it happened, once

        second = incident.send(server.http, method, path, json=body, headers=key)
        assert second.status_code == {"create": 201, "revoke": 204}.get(call, 200), second.text
        assert second.headers["Idempotency-Replayed"] == "true"
        assert events(server) == before + 1
        if call in ("password", "deactivate"):
            assert second.content == server.http.get(path.rpartition("/")[0]).content
        if call == "create":
            assert second.content == server.http.get(second.headers["Location"]).content
    if call == "create":
        check_mails_and_people(server)


def check_mails_and_people(server) -> None:
    """Each person is there once, and had one mail; the feed tells of each once."""
    addresses = {f"person{number}@example.com": 1 for number in range(ROUNDS)}

    def mails() -> Counter:
        lines = [line for path in (server.var / "mail").glob("*") for line in path.read_text().splitlines()]
        return Counter(line.removeprefix("To: ") for line in lines if line.startswith("To: "))

    wait_until(lambda: set(mails()) >= set(addresses), "every mail", 60)
    assert mails() == addresses
    url = server.env["DATABASE_URL"]
    people = rows(url, "SELECT email, count(*) FROM users_user WHERE email LIKE 'person%' GROUP BY 1")
    assert dict(people) == addresses
    assert rows(url, "SELECT count(*), count(DISTINCT event_id) FROM audit_feed") == [(events(server),) * 2]


def test_f09_a_line_lost_before_commit_is_mended_within_the_call(server, proxy, incident: Incident):
    """Guards: populace/infra/db/retry.py:retried (another try), bears_repeat (a lost line before COMMIT)."""
    incident.injected, incident.rounds = "line reset in the middle of a transaction", ROUNDS
    before_errors = connection_errors(server)
    for number in range(ROUNDS):
        method, path, _, _ = prepared(server, "deactivate", number)
        before = events(server)
        proxy.lose_answer(lambda sql: ALONE in sql)
        answer = incident.send(server.http, method, path, headers={"Idempotency-Key": f"mended-{number}"})
        assert proxy.lost == number + 1
        assert (answer.status_code, answer.json()["is_active"]) == (200, False)
        assert "Idempotency-Replayed" not in answer.headers
        assert events(server) == before + 1
    assert connection_errors(server) == before_errors + ROUNDS


def test_f09_a_line_that_breaks_at_every_try_is_503_and_nothing_happened(server, proxy, incident: Incident):
    """Guard: populace/infra/db/retry.py:REPEATS."""
    incident.injected = "line reset in the middle of a transaction, at every try"
    method, path, _, _ = prepared(server, "deactivate", 1)
    before, tries = events(server), []
    key = {"Idempotency-Key": "never"}

    def every_time(sql: str) -> bool:
        if ALONE in sql:
            tries.append(sql)
            return True
        return False

    proxy.lose_answer(every_time, again=True)
    answer = incident.send(server.http, method, path, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert len(tries) == 4
    proxy.heal()
    assert events(server) == before
    assert incident.send(server.http, method, path, headers=key).json()["is_active"] is False
    assert events(server) == before + 1
