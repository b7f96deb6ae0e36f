"""A psycopg connection that says since when it waits for an answer, and can be looked at without asking the server."""

import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.rows import tuple_row

ANSWER_S = 5.7
"""How long a statement may go without an answer: statement_timeout (config/engines.py) and what its news may take."""

closing = threading.Lock()
"""Held while a connection is closed or cut, so that nobody cuts a file descriptor that means another one by now."""

os.register_at_fork(after_in_child=closing._at_fork_reinit)  # type: ignore[attr-defined]  # who held it stayed behind


class Wire:
    """What is known of one connection's socket. It does not hold the connection, so it never keeps one open."""

    __slots__ = ("answer_s", "cut", "idle_since", "pgconn", "readable", "waits")

    def __init__(self, pgconn: Any) -> None:
        self.pgconn = pgconn
        self.waits: dict[Any, float] = {}  # the pool's, once it has one: since when which wire waits (monotonic)
        self.answer_s = ANSWER_S
        self.cut = False  # by us, because no answer came: repeating the statement would only wait as long again
        self.idle_since = 0.0
        poll = select.poll()
        poll.register(pgconn.socket, select.POLLIN)
        self.readable = poll.poll

    def is_dead(self) -> bool:
        """Tell whether the server has closed this idle connection: there would be something to read. Asks nobody.

        What else a server tells of its own accord (a changed setting) is so rare that a new connection is cheaper.
        """
        return bool(self.readable(0))


class Connection(psycopg.Connection[Any]):
    """psycopg's connection with a Wire; its cursors, commits and rollbacks wait here."""

    def __init__(self, pgconn: Any, row_factory: Any = tuple_row) -> None:
        super().__init__(pgconn, row_factory)
        self.wire = Wire(pgconn)

    def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
        """Wait as psycopg does, and say so meanwhile."""
        wire = self.wire
        wire.waits[wire] = monotonic()
        try:
            return super().wait(gen, *args, **options)
        finally:
            wire.waits.pop(wire, None)

    def close(self) -> None:
        """Close it; not while it is being cut."""
        with closing:
            super().close()


def wire_of(connection: BaseDatabaseWrapper) -> Wire | None:
    """Return the wire of the connection that Django's wrapper holds now; None on other engines."""
    return getattr(connection.connection, "wire", None)


@contextmanager
def answering(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    """Give each statement of the block this long to be answered, instead of ANSWER_S, while it stays connected."""
    connection.ensure_connection()
    wire = wire_of(connection)
    if wire is None:
        yield
        return
    before, wire.answer_s = wire.answer_s, seconds
    try:
        yield
    finally:
        wire.answer_s = before
