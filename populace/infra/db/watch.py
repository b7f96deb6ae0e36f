"""One thread of the process that looks whether the database still answers.

A server that is stopped, or behind a wire that was cut, says nothing, and TCP does not mind: the kernel of a stopped
server goes on acknowledging. No timeout of the server's ends that, so this one cuts what waits too long. As soon as
something waits for long, the thread asks the server on a connection of its own; while that is not answered either,
nobody else is let wait for it (pool.py:Silent), so that threads stay free.
"""

import os
import socket
import threading
import time
from contextlib import suppress

import psycopg
import structlog

from populace.infra.db.pool import IDLE_S, Pool, pools
from populace.infra.db.wire import Connection, Wire, closing
from populace.infra.telemetry.metrics import POOL_IN_USE

TICK_S = 0.2
LONG_S = 0.6  # a statement that waits so long is reason enough to ask whether the server answers anybody
LONG_CONNECT_S = 1.5  # and so is a connection that does: it takes several round trips
SILENT_S = 2.0  # a server that has not answered by then is silent; on a line of 200 ms each way it takes 1.6 s
AGAIN_S = 0.5  # between two questions

log = structlog.get_logger(__name__)


class Watch:
    """What the thread knows of one pool."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.waits: dict[object, float] = {}  # of the question alone, which must not count as somebody who waits
        self.asking = False
        self.meanwhile: dict[Wire, float] = {}  # who waited when the question was asked
        self.asked_at = self.answered_at = float("-inf")

    def look(self, now: float) -> None:
        """Cut what waits too long, ask if something waits for long, close what was idle for long."""
        waits = list(self.pool.waits.items())
        self.pool.stuck = sum(
            now - since > (LONG_S if isinstance(waiting, Wire) else LONG_CONNECT_S) for waiting, since in waits
        )
        for waiting, since in [*waits, *self.waits.items()]:
            if isinstance(waiting, Wire) and now - since > waiting.answer_s:
                self.cut(waiting, since)
        self.judge(now)
        self.pool.drop_idle(now - IDLE_S, self.pool.bounds.least)

    def cut(self, wire: Wire, since: float) -> None:
        """End a wait: the driver then finds its connection closed. The server may still do what it was told."""
        given = wire.answer_s
        with closing:
            if wire.waits.get(wire) != since:  # answered meanwhile
                return
            wire.cut = True
            with suppress(OSError, psycopg.Error):  # closed meanwhile, by the server or by libpq
                end = socket.socket(fileno=wire.pgconn.socket)
                try:
                    end.shutdown(socket.SHUT_RDWR)
                finally:
                    end.detach()  # libpq closes it
        self.pool.cut(given)

    def judge(self, now: float) -> None:
        """Ask the server if somebody waits for long, or nobody may; let nobody wait while the question is open."""
        if self.asking:
            if now - self.asked_at > SILENT_S and not self.others_are_answered():
                self.conclude(answered=False)
        elif (self.pool.stuck or self.pool.silent) and now - self.answered_at >= AGAIN_S:
            self.asking, self.asked_at = True, now
            self.meanwhile = {waiting: at for waiting, at in list(self.pool.waits.items()) if isinstance(waiting, Wire)}
            try:
                threading.Thread(target=self.ask, name="database question", daemon=True).start()
            except RuntimeError:  # no thread is to be had: the next look tries again
                self.asking = False

    def others_are_answered(self) -> bool:
        """Tell whether somebody got an answer since the question was asked: then it is only slow in coming."""
        return any(self.pool.waits.get(wire) != since and not wire.cut for wire, since in self.meanwhile.items())

    def ask(self) -> None:
        """Connect and ask for nothing in particular; a refusal is an answer, too."""
        own: Connection | None = None
        served = answered = False
        try:
            own = Connection.connect(**self.pool.params | {"connect_timeout": 2})  # seconds; psycopg takes no less
            own.wire.waits, own.wire.answer_s = self.waits, SILENT_S
            own.execute("SELECT 1")
            served = answered = True
        except psycopg.errors.ConnectionTimeout:
            pass
        except psycopg.Error:
            answered = own is None or not own.wire.cut
        finally:
            if own:
                own.close()
            self.conclude(answered or self.others_are_answered(), served=served)
            self.asking, self.answered_at = False, time.monotonic()

    def conclude(self, answered: bool, *, served: bool = False) -> None:
        """Let everybody ask the server, or nobody."""
        self.pool.silent = not answered
        if served:
            self.pool.back()
        elif not answered:
            self.pool.lost("silent")


_watches: dict[Pool, Watch] = {}
_started = threading.Lock()


def start() -> None:
    """Begin to watch this process's pools, if nobody does."""
    if _started.acquire(blocking=False):
        try:
            threading.Thread(target=_watch, name="database watch", daemon=True).start()
        except RuntimeError:  # no thread is to be had: the next connection tries again
            _started.release()


def _watch() -> None:
    while True:
        time.sleep(TICK_S)
        try:
            for pool in pools():
                watch = _watches.get(pool) or _watches.setdefault(pool, Watch(pool))
                watch.look(time.monotonic())
            POOL_IN_USE.set(sum(pool.in_use() for pool in pools()))
        except Exception:  # without this thread nothing bounds a wait
            log.exception("database_watch_failed")


def _begin_anew() -> None:
    """A forked child has no thread but the one that forked."""
    global _started
    _started = threading.Lock()
    _watches.clear()


os.register_at_fork(after_in_child=_begin_anew)
