"""A row that goes along with the first write of the present call, so that both are committed or neither is.

Who opens a call (the API, for one with an Idempotency-Key) says so once; no verb has to pass the row on, and none can
forget it: all that they write goes by the write door.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db.models import Model


class Along:
    """A row on its way. `told` hears the first row that it goes with; `written` is true from then on.

    Who repeats a transaction (retry.py) sets `written` back where it was rolled back.
    """

    def __init__(self, row: Any, told: Callable[[Model], None]) -> None:
        self.row, self.told = row, told
        self.written = False


_present: ContextVar[Along | None] = ContextVar("along", default=None)


@contextmanager
def going_along(row: Model, told: Callable[[Model], None]) -> Iterator[Along]:
    """Have `row` go along with what is written in the block."""
    along = Along(row, told)
    token = _present.set(along)
    try:
        yield along
    finally:
        _present.reset(token)


def waiting() -> Along | None:
    """Return what goes along with the next write; None where nothing does, or it is written."""
    along = _present.get()
    return None if along is None or along.written else along
