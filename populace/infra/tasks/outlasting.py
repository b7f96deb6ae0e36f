"""Go on working through times in which the database does not answer."""

import threading
from collections.abc import Callable

import structlog
from django.db import Error, InterfaceError, OperationalError, connections

from populace.infra.db.causes import cause_of
from populace.infra.telemetry import metrics

PAUSE_S = (0.5, 5)  # seconds to wait for a lost database: at first, doubled each time, and at most

log = structlog.get_logger(__name__)


def outlasting(stop: threading.Event, body: Callable[[], object]) -> None:
    """Call `body` until it returns a true value or `stop` is set, with growing pauses while the database is away.

    Raises whatever else it raises.
    """
    pause_s = 0.0
    while not stop.is_set():
        try:
            over = body()
        except Error as error:
            if not isinstance(error, OperationalError | InterfaceError) and cause_of(error) is None:
                raise
            pause_s = _lost(error, pause_s)
            stop.wait(pause_s)
            continue
        if pause_s:
            log.info("worker_database_back")
            pause_s = 0.0
        if over:
            return


def _lost(error: Error, pause_s: float) -> float:
    """Count a failed statement, log the first of an incident, drop the connections; returns how long to wait (s)."""
    metrics.DB_ERRORS.inc()
    if not pause_s:
        log.error("worker_database_lost", error=type(error).__name__)
    connections.close_all()
    first, most = PAUSE_S
    return min(pause_s * 2 or first, most)
