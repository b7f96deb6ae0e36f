"""What the task that runs in this thread may ask for and say. Outside a task all of it does nothing."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.queue import LEASE_S, renew

SLICE_S = 60  # seconds a task may work before others of its lane have their turn
LIMIT_S = 600  # seconds after which a task may not renew its lease any more, whatever progress it makes
MARGIN_S = 5  # seconds before its lease's end at which a task is given up: the row is still ours to say so


class Again(Exception):
    """The task is not done and goes on later: its row goes to the back of its lane, or waits until `at`.

    No try is counted.
    """

    def __init__(self, at: datetime | None = None) -> None:
        super().__init__()
        self.at = at


class TooLong(Exception):
    """The task ran for LIMIT_S, or its lease ended while it was at it."""


class Running:
    """A row that a thread of this process runs, and until when it may (monotonic)."""

    def __init__(self, row: TaskRow, ending: Callable[[], bool]) -> None:
        self.row, self.ending = row, ending
        self.since = time.monotonic()
        self.extend()

    def extend(self) -> None:
        """Give it another lease from now on."""
        self.until = time.monotonic() + LEASE_S - MARGIN_S


RUNNING: set[Running] = set()
"""What runs in this process, for limits.py."""

_running: ContextVar[Running | None] = ContextVar("running", default=None)


@contextmanager
def running(row: TaskRow, ending: Callable[[], bool]) -> Iterator[None]:
    """Have this thread run the task of a claimed row until the block ends."""
    task = Running(row, ending)
    token = _running.set(task)
    RUNNING.add(task)
    try:
        yield
    finally:
        RUNNING.discard(task)
        _running.reset(token)


def keep(*, progressed: bool = False) -> None:
    """Start the task's lease anew, in the current transaction: what commits with it was done while the row was ours.

    `progressed`: the task gets on, so the tries it needed so far do not count. Raises Lost when somebody else has the
    row, and TooLong after LIMIT_S; let both pass, so that the transaction rolls back.
    """
    task = _running.get()
    if task is None:
        return
    if time.monotonic() - task.since >= LIMIT_S:
        raise TooLong(f"it ran for {LIMIT_S} s without a rest")
    renew(task.row, **({"attempts": 1} if progressed else {}))
    if progressed:
        task.row.attempts = 1
    task.extend()


def enqueued_at() -> datetime | None:
    """Return when the task was put into the queue, however often it has been tried since."""
    task = _running.get()
    return task.row.enqueued_at if task else None


def stopping() -> bool:
    """Tell whether the task should come to rest and raise Again: the worker ends, or SLICE_S are over."""
    task = _running.get()
    return task is not None and (task.ending() or time.monotonic() - task.since >= SLICE_S)
