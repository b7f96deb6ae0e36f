"""A Populace on a PostgreSQL of its own, under a load of many clients: for faults that end or stop the server."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import httpx

from tests.support.incident import Incident, what
from tests.support.installation import Installation


class Answer(NamedTuple):
    """One request: when it was sent and how long it took (seconds), what came and with which headers."""

    at: float
    took_s: float
    what: str
    headers: httpx.Headers
    text: str


@contextmanager
def load(server: Installation, calls: list[Callable[[httpx.Client], httpx.Response]]) -> Iterator[list[Answer]]:
    """Have as many clients as `calls` each repeat its call until the block ends; yields what they got so far.

    Each client keeps its connection to the server. Its pause of 20 ms leaves the machine time for the others.
    """
    answers: list[Answer] = []
    over = threading.Event()

    def repeat(call: Callable[[httpx.Client], httpx.Response]) -> None:
        with httpx.Client(base_url=server.url, headers=server.http.headers, timeout=30) as client:
            while not over.wait(0.02):
                at = time.monotonic()
                answer = call(client)
                answers.append(Answer(at, time.monotonic() - at, what(answer), answer.headers, answer.text))

    threads = [threading.Thread(target=repeat, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join()


def get(path: str) -> Callable[[httpx.Client], httpx.Response]:
    """Return a call that reads `path`."""
    return lambda client: client.get(path)


def kept(incident: Incident, answers: list[Answer]) -> Counter[str]:
    """Keep the answers in the incident; return how many of each kind came."""
    incident.sent += [(answer.what, answer.took_s) for answer in answers]
    return Counter(answer.what for answer in answers)
