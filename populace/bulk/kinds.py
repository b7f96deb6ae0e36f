"""Kinds of jobs: what each does, and who may ask for it. Each module of a kind adds its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from populace.bulk.models import Job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from populace.bulk.running import Running


class JobRefused(Exception):
    """The job cannot be done, however often it is tried; `code` and `detail` are told, and repeat no value."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of job."""

    run: "Callable[[Running], dict[str, Any]]"
    """Does it, chunk by chunk, from `running.position` on; returns the result, JSON. Raises JobRefused."""
    permission: str
    """What whoever asks must hold: at first, at every chunk, and to fetch a file of it."""
    errors: "Callable[[Job], Iterator[bytes]] | None" = None
    """Return the file of the bad rows; None: rows as they are in JobError, in CSV."""


KINDS: dict[str, Kind] = {}
