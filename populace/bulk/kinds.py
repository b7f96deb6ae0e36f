"""Kinds of jobs: what each does, and who may ask for it. Each module of a kind adds its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from populace.bulk.models import Job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from populace.bulk.running import Running


class JobRefused(Exception):
    """The job cannot be done, however often it is tried; `code` and `detail` are told, and repeat no value."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


class BadRows(NamedTuple):
    """The file of a job's bad rows: its suffix, and its bytes, made while it is sent."""

    suffix: str  # of MEDIA
    blocks: "Iterator[bytes]"


MEDIA = {"csv": "text/csv; charset=utf-8", "json": "application/json", "jsonl": "application/jsonl"}
"""Media type of each suffix."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of job."""

    run: "Callable[[Running], dict[str, Any]]"
    """Does it, chunk by chunk, from `running.position` on; returns the result, JSON. Raises JobRefused."""
    permission: str
    """What whoever asks must hold: at first, at every chunk, and to fetch a file of it."""
    permission_for: "Callable[[Job], str] | None" = None
    """Return the permission that a job of this kind needs instead."""
    decided: bool = False
    """All that asks for a right was done when it was asked for: it goes on whoever asked, and is not cancelled."""
    errors: "Callable[[Job], BadRows] | None" = None
    """Return the file of the bad rows; None: rows as they are in JobError, in CSV."""
    tidy: "Callable[[Job], None] | None" = None
    """Removes what nobody needs any more; called once the job has succeeded, and that is stored."""

    def needs(self, job: Job) -> str:
        """Return the permission that whoever asks for the job must hold."""
        return self.permission_for(job) if self.permission_for else self.permission


KINDS: dict[str, Kind] = {}
