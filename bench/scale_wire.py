"""What goes over the connection to PostgreSQL: libpq's own record of it, so that nothing is asked another way."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from django.db import connection
from django.test import Client
from psycopg.pq import Trace

RUN = {"Execute", "Query"}
TURNS = {"BEGIN", "COMMIT", "ROLLBACK"}  # of a transaction: no statement of ours


@dataclass
class Wire:
    """How many statements were run, and how many of these were parsed for it; others ran by their name."""

    statements: int = 0
    parsed: int = 0


@contextmanager
def recorded() -> Iterator[Wire]:
    """Hold a block whose statements are counted when it has ended."""
    connection.ensure_connection()
    driver: Any = connection.connection
    found = Wire()
    with tempfile.NamedTemporaryFile("r") as file:
        with open(file.name, "wb") as trace:
            driver.pgconn.trace(trace.fileno())
            driver.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
            try:
                yield found
            finally:
                driver.pgconn.untrace()
        for line in file:
            sender, _, name, *rest = [*line.rstrip("\n").split("\t"), "", ""]
            if sender == "F" and name in RUN and rest[0].strip(' "').partition(" ")[0] not in TURNS:
                found.statements += 1
                found.parsed += name == "Query"
            elif sender == "F" and name == "Parse":
                found.parsed += 1


@dataclass
class Answer:
    """An answer's status and JSON, what was asked of the database for it, and the milliseconds all of it took."""

    status: int
    body: Any
    wire: Wire
    ms: float


def ask(client: Client, path: str) -> Answer:
    """Return the best of three answers: at first a statement is prepared, and once a second rights are read."""
    found: Answer | None = None
    for _ in range(3):
        with recorded() as wire:
            began = perf_counter()
            response: Any = client.get(path)
            ms = (perf_counter() - began) * 1000
        body = response.json() if "json" in response.headers["Content-Type"] else response.content.decode()
        if found is None or (wire.statements, wire.parsed, ms) < (found.wire.statements, found.wire.parsed, found.ms):
            found = Answer(response.status_code, body, wire, ms)
    assert found
    return found
