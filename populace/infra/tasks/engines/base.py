"""What every engine does: bring rows that are due to those who run them. The rows stay the truth about everything."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from uuid import UUID

import structlog

from populace.infra.db.pool import give_back
from populace.infra.tasks import transit
from populace.infra.tasks.outlasting import outlasting
from populace.infra.tasks.queue import LANES, Lost, hand_back
from populace.infra.tasks.run import run
from populace.infra.telemetry import metrics

NAMES = {lane: name for name, lane in LANES.items()}
FULL_S = 0.1  # seconds until a lane's full window is looked at again
PAUSE_S = 2  # seconds without a try after a broker did not take an id

log = structlog.get_logger(__name__)


class Engine(ABC):
    """An engine, made from what TASKS_URL says behind its own name."""

    apart: Sequence[str] = ()
    """The lanes that want a process of their own, in which `consume` runs."""

    def __init__(self, url: str) -> None:
        self.url = url

    @contextmanager
    def serving(self, stop: threading.Event) -> Iterator[None]:
        """Run beside the poll what belongs to this process; `stop` is set when the block ends."""
        yield

    def check(self) -> None:
        """Raise what ended a part of it."""
        return

    @abstractmethod
    def tell(self, due: Iterable[int]) -> float:
        """Pass on that something is due in these lanes; returns how soon to tell again (seconds), if not at a poll."""

    def waiting(self, lane: str) -> int:
        """Return how many ids of a lane wait in the broker."""
        return 0

    def consume(self, lane: str, stop: threading.Event) -> None:
        """Take a lane's ids from the broker and `deliver` them until SIGTERM, which sets `stop`."""
        raise NotImplementedError

    def call_back(self) -> None:
        """Have the rows sent again that a broker has lost: where fewer wait there than are on their way.

        In a lane that is not empty as many of the oldest as are missing there: which they are nobody can tell, and some
        are in the hands of a worker, which no broker counts. An id too many does nothing.
        """
        for lane, name in NAMES.items():
            if not transit.late(lane):
                continue
            waits = self.waiting(name)
            missing = transit.on_the_way(lane) - waits
            if missing > 0 and (rows := transit.call_back(lane, missing, transit.BUSY_S if waits else 0)):
                log.warning("task_ids_lost", lane=name, rows=rows)


class Broker(Engine):
    """An engine with a broker, which carries nothing but the ids of rows."""

    apart = tuple(LANES)
    _rests_until = 0.0  # (monotonic), after the broker did not answer

    @abstractmethod
    def send(self, lane: str, ids: Sequence[UUID]) -> None:
        """Put ids into the queue of a lane; raises where the broker does not take all of them."""

    def tell(self, due: Iterable[int]) -> float:
        """Send what is due, a window of each lane; where the broker is away, that waits in the table."""
        if time.monotonic() < self._rests_until:
            return inf
        return min((self._send_off(lane) for lane in due), default=inf)

    def call_back(self) -> None:
        """Have the rows sent again that the broker has lost, if it answers."""
        if time.monotonic() >= self._rests_until:
            try:
                super().call_back()
            except self.errors as error:
                self._away(error)

    def _send_off(self, lane: int) -> float:
        ids = transit.send_off(lane)
        try:
            if ids:
                self.send(NAMES[lane], ids)
        except self.errors as error:
            transit.undo(ids)
            return self._away(error)
        return 0 if ids else FULL_S

    def _away(self, error: Exception) -> float:
        """Give the broker a rest."""
        metrics.BROKER_ERRORS.inc()
        log.error("task_broker_away", error=type(error).__name__)
        self._rests_until = time.monotonic() + PAUSE_S
        return inf

    errors: tuple[type[Exception], ...] = (OSError,)
    """What says that the broker does not answer."""


def deliver(message: object, stop: threading.Event) -> None:
    """Run the row whose id a broker brought; whatever is no id of a row that was sent is dropped.

    With `stop` set nothing is begun any more: the row is sent again later.
    """
    try:
        id = UUID(str(message))
    except ValueError:
        log.warning("task_message_dropped")
        return
    outlasting(stop, lambda: _run(id, stop))


def _run(id: UUID, stop: threading.Event) -> bool:
    if (row := transit.take(id)) is not None:
        try:
            hand_back(row) if stop.is_set() else run(row, stop.is_set)
        except Lost:
            log.warning("task_lease_lost", task=row.name, id=str(row.id))
    give_back()
    return True
