"""A71: fifty exact counts at once on a directory in which each takes too long, and clients that hang up.

What else the line names is bounded by rows read, and proved where plans are: deep pages, rare words and the widest
filters in tests/plans/test_lists.py and, at a million people, in bench/scale.py.
"""

import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.activity import asleep, make_slow
from tests.support.incident import what
from tests.support.processes import wait_until

pytestmark = pytest.mark.only_on("postgresql", "SQLite ends no statement; there a count is its process's one, too")

USERS, COUNT = "/api/v1/users", "/api/v1/users?count=exact&limit=1"
PROCESSES, THREADS, AT_ONCE = 2, 4, 50


@pytest.fixture
def server(installation):
    installation.env |= {"POPULACE_WEB_PROCESSES": str(PROCESSES), "POPULACE_WEB_THREADS": str(THREADS)}
    make_slow(installation.env["DATABASE_URL"], "COUNT(", 120)
    installation.start_web()
    return installation


def test_a71_a_count_that_takes_too_long_is_told_by_its_name(server):
    """Guards: populace/users/counts.py:count, config/engines.py:TIMEOUTS_MS (statement_timeout)."""
    answer = server.http.get(COUNT, timeout=60)
    assert what(answer) == "503 query_timeout"
    assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [("/count", "query_timeout")]
    assert answer.headers["Retry-After"]
    assert asleep(server.env["DATABASE_URL"]) == []


def test_a71_fifty_slow_counts_leave_the_other_threads_to_the_rest(server):
    """Guard: populace/users/counts.py:_own_turn."""
    url, most, reads, over = server.env["DATABASE_URL"], 0, Counter(), threading.Event()

    def count(_: int) -> str:
        with httpx.Client(base_url=server.url, headers=server.http.headers, timeout=60) as client:
            return what(client.get(COUNT))

    def read() -> None:
        with httpx.Client(base_url=server.url, headers=server.http.headers, timeout=60) as client:
            while not over.is_set():
                reads[what(client.get(f"{USERS}/{server.administrator_id}"))] += 1

    with ThreadPoolExecutor(AT_ONCE + 2) as pool:
        counts = [pool.submit(count, number) for number in range(AT_ONCE)]
        wait_until(lambda: asleep(url), "a count in the database")
        beside = [pool.submit(read) for _ in range(2)]
        while asleep(url):
            most = max(most, len(asleep(url)))
        over.set()
        answers = Counter(one.result() for one in counts)
        for one in beside:
            one.result()
    assert most <= PROCESSES
    assert set(answers) == {"503 query_timeout", "503 overloaded"}
    assert set(reads) == {"200"}
    assert reads["200"] > AT_ONCE  # while nothing but counts could have held them up


def test_a71_the_counts_of_clients_that_hung_up_end(server):
    """Guards: config/engines.py:TIMEOUTS_MS (statement_timeout), populace/users/counts.py:_own_turn (is given back)."""
    url = server.env["DATABASE_URL"]
    head = f"GET {COUNT} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {server.token}\r\n\r\n"
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(head.encode())
            wait_until(lambda: asleep(url), "a count in the database")
    wait_until(lambda: asleep(url) == [], "their end", 60)
    assert {what(server.http.get(COUNT, timeout=60)) for _ in range(2)} == {"503 query_timeout"}
