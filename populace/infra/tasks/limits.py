"""No task runs for ever: when the lease of one ends and it is still at it, its process ends.

Python has no way to end a thread, least of all one that waits in C. So the row is marked as failed while it is still
ours, and the process is left to its supervisor, which starts another. What other lanes had in hand is due again when
its leases end.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import structlog
from django.db import Error

from populace.infra.tasks.current import RUNNING, Running, TooLong
from populace.infra.tasks.queue import Lost
from populace.infra.tasks.run import fail

LOOK_S = 1.0  # between two looks at what runs here

log = structlog.get_logger(__name__)


def watch(end: Callable[[int], None] = os._exit) -> None:
    """Look after the tasks of this process from now on; `end` gets the exit code."""
    threading.Thread(target=_watch, args=(end,), name="limits", daemon=True).start()


def _watch(end: Callable[[int], None]) -> None:
    while True:
        time.sleep(LOOK_S)
        if late := overdue():
            give_up(late)
            end(1)


def overdue() -> list[Running]:
    """Return what should have ended by now."""
    return [task for task in tuple(RUNNING) if time.monotonic() >= task.until]


def give_up(late: list[Running]) -> None:
    """Mark rows as failed, or as dead where it was their last try; a database that is away leaves that to the lease."""
    for task in late:
        log.critical("task_too_long", task=task.row.name, id=str(task.row.id))
        with suppress(Lost, Error):
            fail(task.row, TooLong("its lease ended while it was at it"))
