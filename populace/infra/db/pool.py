"""The connections that a process has to one PostgreSQL database: bounded, and given out for one request at a time.

Not psycopg_pool, which costs no more: there a request waits for what a background thread connects, with retries and a
growing pause, and learns only that time ran out. Here it connects by itself and fails at once with what the server
says; only where the server has no room it waits, as for a place.
"""

import os
import re
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any, NamedTuple
from weakref import WeakSet

import psycopg
import structlog
from django.db import OperationalError, connections

from populace.infra.db.wire import Connection
from populace.infra.telemetry.metrics import POOL_WAIT

LOOK_S = 0.1  # between two looks of one who waits: nobody tells of a place that came free
IDLE_S = 600  # an idle connection beyond the least number is closed after this time

# PostgreSQL's three and PgBouncer's. libpq tells no SQLSTATE of a refused connection; a server that speaks another
# language is "unavailable" instead, which is 503 as well.
_no_room = re.compile("too many (clients|connections)|remaining connection slots|no more connections allowed").search

log = structlog.get_logger(__name__)


class PoolExhausted(OperationalError):
    """No connection came free in time; nothing was sent."""


class Silent(OperationalError):
    """The server answers nobody at present (watch.py), so it was not asked."""


class Bounds(NamedTuple):
    """How many connections a process keeps at least and at most, and how long it waits for one (seconds)."""

    least: int
    most: int
    wait_s: float


class Ticket:
    """Somebody's turn: rings when a connection was handed over."""

    __slots__ = ("bell", "connection")

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.bell = threading.Lock()
        self.bell.acquire()

    def redeemed(self) -> Connection:
        """Return what was handed over, once."""
        connection, self.connection = self.connection, None
        assert connection is not None
        return connection


class Pool:
    """Connections to one database. `take` and `give` are of every request: without contention they lock nothing."""

    def __init__(self, bounds: Bounds, params: dict[str, Any]) -> None:
        self.bounds, self.params = bounds, params  # the driver's
        self.idle: deque[Connection] = deque()  # the one used last is taken first, so that the others may age
        self.waits: dict[object, float] = {}  # who waits for an answer of the server, since when (monotonic)
        self.stuck = 0  # how many of those for long already: written by watch.py, as is the next
        self.silent = False
        self._members: WeakSet[Connection] = WeakSet()  # a thread that ends without giving back takes none with it
        self._places: set[object] = set()  # of those who are connecting
        self._queue: deque[Ticket] = deque()
        self._lock = threading.Lock()
        self._lost_at = 0.0  # when the present incident began; 0: there is none

    def take(self, connect: Callable[[], Connection]) -> Connection:
        """Return a connection that the server has not closed, if need be a new one that `connect` makes.

        Raises Silent, PoolExhausted, or what `connect` raises; in each case nothing was sent.
        """
        kept = self._kept()
        return kept if kept is not None else self._wait(connect)

    def give(self, connection: Connection) -> None:
        """Take back a connection that is in no transaction; whoever waits longest has it next."""
        connection.wire.idle_since = monotonic()
        self.idle.append(connection)
        if self._queue:
            self._call()

    def drop(self, connection: Connection) -> None:
        """Close a connection; another may take its place."""
        self._members.discard(connection)
        connection.close()

    def in_use(self) -> int:
        """Return how many connections somebody holds."""
        return max(len(self._members) - len(self.idle), 0)

    def drop_idle(self, before: float, least: int = 0) -> None:
        """Close the connections that nobody has used since `before` (monotonic), but keep `least`."""
        while len(self.idle) > least and self.idle[0].wire.idle_since < before:
            try:
                oldest = self.idle.popleft()
            except IndexError:  # somebody was faster
                return
            self.drop(oldest)

    def lost(self, why: str) -> None:
        """Log that the database cannot be reached, once an incident."""
        if _logs.is_set() and not self._lost_at:
            self._lost_at = monotonic()
            log.error("database_lost", why=why)

    def cut(self, seconds: float) -> None:
        """Log that a statement got no answer in this time, unless that is part of an incident."""
        if _logs.is_set() and not self._lost_at:
            log.warning("database_statement_cut", seconds=seconds)

    def back(self) -> None:
        """Log that it can be reached again."""
        if self._lost_at:
            log.info("database_back", seconds=round(monotonic() - self._lost_at, 1))
            self._lost_at = 0.0

    def is_lost(self) -> bool:
        """Tell whether an incident is open, of which the log tells already."""
        return bool(self._lost_at)

    def _kept(self) -> Connection | None:
        if self.silent:
            raise Silent("the server answers nobody")
        while True:
            try:
                connection = self.idle.pop()
            except IndexError:
                return None
            if not connection.wire.is_dead():
                return connection
            self.drop(connection)

    def _call(self) -> None:
        """Hand an idle connection to the first in the queue: the one who gave it would be back before they woke."""
        with self._lock, suppress(IndexError):  # somebody has just taken it
            if self._queue:
                connection = self.idle.pop()
                ticket = self._queue.popleft()
                ticket.connection = connection
                ticket.bell.release()

    def _wait(self, connect: Callable[[], Connection]) -> Connection:
        """Stand in the queue for a connection, or for a place to make one."""
        began, ticket, place = monotonic(), Ticket(), None
        self._queue.append(ticket)
        try:
            while True:
                if (kept := self._kept()) is not None:
                    return kept
                place = place or self._claim()
                if place and (made := self._tried(connect)) is not None:
                    return made
                self._check(began, has_place=place is not None)
                if ticket.bell.acquire(timeout=LOOK_S):
                    return ticket.redeemed()
        finally:
            self._leave(ticket, place)
            POOL_WAIT.observe(monotonic() - began)

    def _claim(self) -> object | None:
        """Return a place for one more connection, None where there are as many as may be."""
        with self._lock:
            if len(self._members) + len(self._places) >= self.bounds.most:
                return None
            place = object()
            self._places.add(place)
            self.waits[place] = monotonic()
            return place

    def _tried(self, connect: Callable[[], Connection]) -> Connection | None:
        """Return a new connection, None where the server has no room now; raises what else is wrong with it."""
        try:
            made = connect()
        except psycopg.OperationalError as error:
            if _no_room(str(error)):
                return None
            self.lost("silent" if isinstance(error, psycopg.errors.ConnectionTimeout) else "refused")
            raise
        self._members.add(made)
        self.back()
        return made

    def _check(self, began: float, *, has_place: bool) -> None:
        """Raise PoolExhausted where waiting has no point any more."""
        # Whoever waits for those who all wait for the server only holds a thread, and /livez may need it.
        if monotonic() - began >= self.bounds.wait_s or (self.stuck >= self.bounds.most and not has_place):
            raise PoolExhausted("no connection came free") from psycopg.errors.TooManyConnections()

    def _leave(self, ticket: Ticket, place: object | None) -> None:
        with self._lock:
            self._places.discard(place)
            self.waits.pop(place, None)
            with suppress(ValueError):
                self._queue.remove(ticket)
        if ticket.connection is not None:  # it was called when another was found already
            self.give(ticket.connection)


_logs = threading.Event()


def log_incidents() -> None:
    """Have this process log when its databases go and come back; a command says so to whoever gave it instead."""
    _logs.set()


_needed = 0


def at_least(connections: int) -> None:
    """Let the pools that this process makes from now on hold that many connections, whatever the URL says.

    A worker's threads shall not wait for one another.
    """
    global _needed
    _needed = connections


def needed() -> int:
    """Return how many connections this process cannot do without."""
    return _needed


_pools: dict[tuple[str, str], Pool] = {}
_making = threading.Lock()


def pool_of(alias: str, database: str, make: Callable[[], Pool]) -> Pool:
    """Return this process's pool of one database; `make` is called for the first one who asks."""
    key = alias, database
    if (pool := _pools.get(key)) is None:
        with _making:
            pool = _pools.setdefault(key, make())
    return pool


def pools(alias: str | None = None) -> list[Pool]:
    """Return all pools of this process, or those of one alias."""
    return [pool for (of, _), pool in list(_pools.items()) if alias in (None, of)]


def is_lost() -> bool:
    """Tell whether the log has said already that a database cannot be reached."""
    return any(pool.is_lost() for pool in pools())


def give_back() -> None:
    """Give back what this thread holds of a pool and does not need for a while; what is in a transaction stays.

    Where there is no pool, the connection is the thread's own, and it keeps it.
    """
    for connection in connections.all(initialized_only=True):
        if isinstance(connection.connection, Connection) and not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


def _begin_anew() -> None:
    """Leave the parent's connections to the parent: two processes on one socket read each other's answers."""
    global _making
    _making = threading.Lock()  # another thread of the parent may have held it
    _pools.clear()
    for connection in connections.all(initialized_only=True):
        if isinstance(connection.connection, Connection):
            connection.connection = None


os.register_at_fork(after_in_child=_begin_anew)
