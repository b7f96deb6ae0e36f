"""A05: of fifty who ask for one identifier at the same moment, one gets it."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
import pytest

from tests.support.processes import children, wait_until
from tests.support.sql import rows

AT_ONCE = 50


def at_once(town, bodies):
    """Send all bodies from a thread and a connection each, begun together; return the answers."""
    together = Barrier(len(bodies))

    def send(body):
        with httpx.Client(base_url=town.url, headers={"Authorization": f"Bearer {town.token}"}, timeout=30) as client:
            together.wait()
            return client.post("/api/v1/users", json=body)

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(send, bodies))


@pytest.mark.parametrize(
    ("what", "spellings", "column", "normal"),
    [
        ("username", ["racer"], "username_normal", "racer"),
        ("username", ["Runner", "runner", "ＲＵＮＮＥＲ", "rUNNER"], "username_normal", "runner"),
        ("email", ["one@example.org", "ONE@EXAMPLE.ORG", "one@ｅxample.org"], "email_normal", "one@example.org"),
    ],
    ids=["one user name", "case and width", "one e-mail"],
)
def test_a05_one_of_fifty_gets_it(town, what, spellings, column, normal):
    """Guard: the primary key of Identifier (populace/users/models.py), claimed in the statement that makes the person
    (populace/users/actions.py:create_user).
    """
    wait_until(lambda: len(children(town.web.pid)) >= 4, "four web processes")
    url = town.env["DATABASE_URL"]
    people, events = _counts(url)
    answers = at_once(town, [{what: spellings[number % len(spellings)]} for number in range(AT_ONCE)])
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: AT_ONCE - 1}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {f"{what}_taken"}
    assert _counts(url) == (people + 1, events + 1)
    assert rows(url, f"SELECT count(*) FROM users_user WHERE {column} = '{normal}'") == [(1,)]


def test_a05_of_lookalikes_at_once_one_gets_in(town):
    """Guard: populace/users/identifiers.py:claims (the kind `confusable`)."""
    people, events = _counts(town.env["DATABASE_URL"])
    answers = at_once(town, [{"username": name} for name in ("pope", "роре") * 10])
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {
        "username_taken",
        "confusable",
    }
    assert _counts(town.env["DATABASE_URL"]) == (people + 1, events + 1)


def _counts(url):
    [(people,)] = rows(url, "SELECT count(*) FROM users_user")
    [(events,)] = rows(url, "SELECT count(*) FROM audit_event WHERE action = 'user.created'")
    return people, events
