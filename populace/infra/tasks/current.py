"""What the task that runs in this thread may ask for and say. Outside a task all of it does nothing."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.queue import renew

SLICE_S = 60  # seconds a task may work before others of its lane have their turn


class Again(Exception):
    """The task is not done and goes on later: its row goes to the back of its lane, no try counted."""


@dataclass(frozen=True, slots=True)
class Running:
    """The row, whether the worker wants to end, and when the task began (monotonic)."""

    row: TaskRow
    ending: Callable[[], bool]
    since: float = field(default_factory=time.monotonic)


_running: ContextVar[Running | None] = ContextVar("running", default=None)


@contextmanager
def running(row: TaskRow, ending: Callable[[], bool]) -> Iterator[None]:
    """Have this thread run the task of a claimed row until the block ends."""
    token = _running.set(Running(row, ending))
    try:
        yield
    finally:
        _running.reset(token)


def keep(*, progressed: bool = False) -> None:
    """Start the task's lease anew, in the current transaction: what commits with it was done while the row was ours.

    `progressed`: the task gets on, so the tries it needed so far do not count. Raises Lost when somebody else has the
    row; let it pass, so that the transaction rolls back.
    """
    if task := _running.get():
        renew(task.row, **({"attempts": 1} if progressed else {}))


def stopping() -> bool:
    """Tell whether the task should come to rest and raise Again: the worker ends, or SLICE_S are over."""
    task = _running.get()
    return task is not None and (task.ending() or time.monotonic() - task.since >= SLICE_S)
