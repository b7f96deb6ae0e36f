"""How often a person may ask, and how they learn of it."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from populace.api.authentication import QUOTA, Quota

USERS = "/api/v1/users"
ME, OTHER = b"me", b"other"


def left(said):
    return tuple(map(int, re.fullmatch(r'"default";r=(\d+);t=(\d+)', said).groups()))


def test_a_burst_then_as_many_as_flow_in():
    """populace/api/authentication.py:Quota.take"""
    quota = Quota(50)
    assert quota.policy == '"default";q=500;w=10'
    taken = [quota.take(ME, at=1000.0) for _ in range(501)]
    assert [seconds for _, seconds in taken] == [0] * 500 + [1]
    assert [left(said)[0] for said, _ in taken] == [*range(499, -1, -1), 0]
    assert left(taken[0][0]) == (499, 1)
    assert left(taken[499][0]) == (0, 10)  # seconds until it is full again
    assert left(taken[500][0]) == (0, 1)  # until the next
    later = [quota.take(ME, at=1000.1)[1] for _ in range(6)]
    assert later == [0] * 5 + [1]
    assert left(quota.take(ME, at=2000.0)[0])[0] == 499


def test_who_is_refused_does_not_wait_longer_for_it():
    quota = Quota(1)
    for _ in range(10):
        assert quota.take(ME, at=5.0)[1] == 0
    for _ in range(100):
        assert quota.take(ME, at=5.0)[1] == 1
    assert [quota.take(ME, at=6.0)[1] for _ in range(2)] == [0, 1]


def test_less_than_one_a_second_says_how_long():
    quota = Quota(1 / 8)
    assert quota.policy == '"default";q=1;w=8'
    assert [quota.take(ME, at=5.0)[1] for _ in range(2)] == [0, 8]
    assert quota.take(ME, at=9.5)[1] == 4
    assert quota.take(ME, at=13.0)[1] == 0


def test_everybody_has_their_own():
    quota = Quota(1)
    assert [quota.take(ME, at=5.0)[1] for _ in range(11)][-1] == 1
    assert quota.take(OTHER, at=5.0)[1] == 0


def test_only_so_many_are_remembered_the_longest_silent_is_forgotten_first():
    """populace/api/authentication.py:Quota.take"""
    quota = Quota(1, callers=2)
    for _ in range(10):
        quota.take(ME, at=5.0)
    quota.take(OTHER, at=5.0)
    assert quota.take(ME, at=5.0)[1] == 1  # asked last
    quota.take(b"third", at=5.0)
    assert list(quota.full_at) == [ME, b"third"]


def test_threads_take_no_more_than_there_is():
    """populace/api/authentication.py:Quota.take (its lock)"""
    quota = Quota(100)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: quota.take(ME, at=5.0)[1], range(3000)))
    assert taken.count(0) == 1000


@pytest.mark.django_db
def test_answers_tell_what_is_left(client, client_of, token):
    """populace/api/views.py:LeanView.dispatch"""
    first, second = client.get(USERS), client.get("/api/v1/users/nobody")
    assert first.headers["RateLimit-Policy"] == second.headers["RateLimit-Policy"] == QUOTA.policy
    assert 0 < left(second.headers["RateLimit"])[0] <= left(first.headers["RateLimit"])[0] < QUOTA.size
    refused = client_of(token("users:read")).post(USERS, {})
    assert refused.status_code == 403
    assert "RateLimit" in refused.headers
    assert "RateLimit" not in client_of(None).get(USERS).headers  # whose would it be
    assert "RateLimit" not in client.get("/livez").headers


def test_a_server_that_is_asked_too_often(installation):
    """populace/api/views.py:LeanView.initial"""
    installation.env |= {"POPULACE_RATE_LIMIT": "2", "POPULACE_WEB_PROCESSES": "1"}

    def token_of(owner):
        made = ("token", "create", "--owner", owner, "--name", "t", "--scope", "admin")
        return installation.populace_json(*made)["secret"]

    second = token_of(installation.administrator_id)
    other = token_of(installation.populace_json("user", "create", "--username", "someone", "--role", "owner")["id"])
    installation.start_web()
    answers = [installation.http.get(USERS) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    assert answers[0].headers["RateLimit-Policy"] == '"default";q=20;w=10'
    refused = next(answer for _ in range(1000) if (answer := installation.http.get(USERS)).status_code == 429)
    assert (refused.json()["code"], refused.headers["Retry-After"]) == ("rate_limited", "1")
    assert refused.headers["RateLimit"] == '"default";r=0;t=1'

    def answer_to(secret):
        return httpx.get(installation.url + USERS, headers={"Authorization": f"Bearer {secret}"}, timeout=30)

    assert left(answer_to(second).headers["RateLimit"])[0] < 15  # another token of theirs
    assert left(answer_to(other).headers["RateLimit"])[0] == 19  # somebody else
    assert answer_to("pop_" + "x" * 40).status_code == 401
    time.sleep(int(refused.headers["Retry-After"]))
    assert installation.http.get(USERS).status_code == 200
