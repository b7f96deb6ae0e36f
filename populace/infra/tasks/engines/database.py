"""No broker: a thread for each lane claims rows.

So a long task, or one that hangs, holds up nobody but its own lane.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import inf

import structlog
from django.db import connections

from populace.infra.db.pool import at_least, give_back
from populace.infra.tasks.engines import base
from populace.infra.tasks.outlasting import outlasting
from populace.infra.tasks.queue import CLAIM_ROWS, LANES, Lost, claim, hand_back
from populace.infra.tasks.run import run

# Bulk tasks are long: one that was claimed behind another would only be kept from other workers.
ROWS = {lane: 1 if name == "bulk" else CLAIM_ROWS for name, lane in LANES.items()}

log = structlog.get_logger(__name__)


def serve(lane: int, stop: threading.Event) -> int:
    """Run one batch of due tasks of a lane; returns how many were claimed. With `stop` set none is begun any more."""
    rows = [] if stop.is_set() else claim(lane, ROWS[lane])
    for row in rows:
        try:
            if stop.is_set():
                hand_back(row)
            else:
                run(row, stop.is_set)
        except Lost:
            log.warning("task_lease_lost", task=row.name, id=str(row.id))
    return len(rows)


class Lane(threading.Thread):
    """Runs what is due in one lane; waits without a connection until told that there is something."""

    def __init__(self, name: str, stop: threading.Event) -> None:
        super().__init__(name=name, daemon=True)  # daemon: a hanging task must not keep a broken worker alive
        self.lane, self.stop = LANES[name], stop
        self.due = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Serve the lane until the worker ends; whatever ends it earlier is kept in `failure`."""
        try:
            outlasting(self.stop, self._serve)
        except BaseException as failure:
            self.failure = failure
        finally:
            connections.close_all()

    def _serve(self) -> None:
        self.due.wait()
        self.due.clear()
        while serve(self.lane, self.stop):
            pass
        give_back()
        connections.close_all()  # where there is no pool


class Engine(base.Engine):
    """The default: the worker's own threads claim from the table."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.threads: dict[int, Lane] = {}

    @contextmanager
    def serving(self, stop: threading.Event) -> Iterator[None]:
        """Have all lanes served until the block ends, which is when `stop` was set: then wait for the rows in hand."""
        at_least(len(LANES) + 1)
        self.threads = {LANES[name]: Lane(name, stop) for name in LANES}
        for thread in self.threads.values():
            thread.start()
        yield
        self.tell(self.threads)  # to see that it is over
        for thread in self.threads.values():
            thread.join()
        self.check()

    def tell(self, due: Iterable[int]) -> float:
        """Wake the lanes that have something to do."""
        for lane in due:
            self.threads[lane].due.set()
        return inf

    def check(self) -> None:
        """Raise what ended a lane."""
        for thread in self.threads.values():
            if thread.failure:
                raise thread.failure
