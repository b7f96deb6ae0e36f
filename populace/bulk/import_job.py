"""An import as a job: every row is checked first, then they go in, chunk by chunk; each chunk is one transaction.

The check tells what is wrong with each row in itself. A dry run, and an import of which one bad row keeps all out
(`rows=all`), rehearse instead: they tell what the directory has against a row, too, and write nothing. The latter then
goes in as one transaction. `position` says how the file is read, which pass is under way and how many rows are behind.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from copy import deepcopy
from functools import cached_property, partial
from itertools import chain
from typing import Any

import structlog
from django.db import OperationalError, connections, router

from populace.bulk.candidates import Came, Candidate
from populace.bulk.error_file import bad_rows
from populace.bulk.errors import FileRefused, OptionRefused
from populace.bulk.formats.recognition import Recognised, recognised
from populace.bulk.importer import Importer, Unready
from populace.bulk.kinds import KINDS, JobRefused, Kind
from populace.bulk.models import Job, JobError, JobFile
from populace.bulk.numbers import Numbers
from populace.bulk.passwords import hashed
from populace.bulk.reading import apart, blocks
from populace.bulk.rehearsal import Rehearsal
from populace.bulk.running import Bad, Chunk, Running
from populace.credentials.tasks import enqueue_wrapping
from populace.infra.db.causes import Cause, cause_of
from populace.infra.storage import Unavailable, storage
from populace.users.models import User

CHECK, WRITE = "check", "write"
"""The passes."""

CHECKED = 5_000  # rows of a chunk that writes nothing but its bad rows
WRITTEN = {"sqlite": 200, "mysql": 500, "postgresql": 10_000}
"""Rows of a chunk at most. On SQLite nobody else can write meanwhile."""

FIRST, LEAST = 500, 100  # rows of the first chunk that writes, and of the smallest
SLOW_S, QUICK_S = 1.0, 0.4
"""A chunk that took longer makes the next half as large; one that was quicker, twice: what a row costs depends on the
file, and others wait for what a chunk holds."""

HELD_S = 300.0
"""How long a chunk waits for what others hold, a lock on the whole table for example, before the job gives up."""

PAUSE_S = 0.1
REHEARSALS = 3
"""Times that an import of all rows or none is rehearsed, where the directory changes between that and the writing."""


log = structlog.get_logger(__name__)


def run(running: Running) -> dict[str, Any]:
    """Do the job, from where it stands; returns the summary."""
    try:
        return _Import(running).run()
    except FileRefused as refused:
        told = f"The file {refused}"
        raise JobRefused("file_refused", told if told.endswith("?") else f"{told}.") from None


class _BadRow(Exception):
    """A row is bad of which none may be, or otherwise not as rehearsed."""


class _Import:
    """One stay of the job with a worker."""

    def __init__(self, running: Running) -> None:
        self.running, self.options = running, running.options
        self.path = running.path()
        position = running.position
        self.how = Recognised.again(position["how"]) if position else self._recognised()
        self.how_kept = self.how.plain()
        self.numbers = Numbers(**position.get("numbers", {}))
        self.dry_run, self.all_or_none = bool(self.options.get("dry_run")), self.options.get("rows") == "all"
        self.pace = Pace()

    def run(self) -> dict[str, Any]:
        """Do it from where it stands; returns the summary."""
        if self.running.position.get("pass", CHECK) == CHECK:
            first = self._rehearse if self.dry_run or self.all_or_none else self._check
            first()
        if not self.dry_run:
            second = self._write_all if self.all_or_none else self._write
            second()
            enqueue_wrapping()
        return self.numbers.summary() | self.how.shown() | ({"dry_run": True} if self.dry_run else {})

    def _recognised(self) -> Recognised:
        try:
            file_format, options = self.options.get("format") or None, self.options.get("options") or {}
            return self.running.aside(partial(recognised, self.path, file_format, options))
        except OptionRefused as refused:
            raise JobRefused("options_refused", f"{refused}") from None

    @contextmanager
    def _blocks(
        self, most: Callable[[], int], *, behind: int | None = None, ahead: bool = True
    ) -> Iterator[Iterator[list[Candidate]]]:
        """Give the rows in blocks; whoever waits for one, or for the way behind the rows that are done, has a lease."""
        behind = self.running.position.get("rows", 0) if behind is None else behind
        found = blocks(self.path, self.how, behind=behind, most=most, by=lambda: self.running.by)
        with closing(apart(found, self.running.wait, ahead=ahead)) as read:
            yield read

    def _importer(self, rehearsal: Rehearsal | None = None) -> Importer:
        return Importer(
            by=self.running.by,
            on_conflict=self.options.get("on_conflict", "skip"),
            welcome=bool(self.options.get("welcome")),
            rehearsal=rehearsal,
        )

    # The first pass

    def _check(self) -> None:
        """Tell the rows that are bad in themselves."""
        with self._blocks(lambda: CHECKED) as found:
            for block in found:
                self._patiently(partial(self._check_block, block))
        self._begin_writing()

    def _check_block(self, block: Sequence[Candidate]) -> None:
        numbers = deepcopy(self.numbers)
        bad = [told(one) for one in block if one.faults]
        numbers.failed += len(bad)
        with self.running.chunk() as chunk:
            chunk.bad = bad
            self._place(chunk, CHECK, block, numbers)
        self.numbers = numbers

    def _rehearse(self) -> None:
        """Tell all rows that are bad, those that clash with the directory or with one another among them."""
        at, rehearsal = self.running.position.get("rows", 0), self.rehearsal
        importer = self._importer(rehearsal)

        def most() -> int:
            return min(self.pace.rows, at - rehearsal.rows) if rehearsal.rows < at else self.pace.rows

        with self._blocks(most, behind=rehearsal.rows, ahead=False) as found:
            for block in found:
                if self.running.stopping():
                    self._keep_rehearsal(rehearsal)
                # Some may have been told before a rest, or before somebody else took over.
                if rehearsal.rows >= at:
                    self._patiently(partial(self._tell, importer, rehearsal, block))
                else:
                    self._patiently(partial(self._try, importer, rehearsal, block))
                    self.running.renew()
                rehearsal.keep(rehearsal.rows + len(block))
        if self.all_or_none and not self.dry_run:
            self._keep_rehearsal(rehearsal)
        self._begin_writing()

    def _try(self, importer: Importer, rehearsal: Rehearsal, block: Sequence[Candidate]) -> None:
        """Find out what would come of these rows; hash the passwords to write, where all goes in at once."""
        rehearsal.drop()
        importer.by = self.running.by
        with self.pace:
            importer.take(block)
        if self.all_or_none and not self.dry_run:
            for one in block:
                if one.came is Came.CREATED and one.row.password:
                    rehearsal.keep_hash(one.row.number, hashed(one.row.password))

    def _tell(self, importer: Importer, rehearsal: Rehearsal, block: Sequence[Candidate]) -> None:
        """Find it out and tell it."""
        numbers = deepcopy(self.numbers)
        self._try(importer, rehearsal, block)
        for one in block:
            numbers.count(one)
        with self.running.chunk() as chunk:
            chunk.bad = [told(one) for one in block if one.came is Came.FAILED]
            chunk.done = len(block) if self.dry_run else 0
            self._place(chunk, CHECK, block, numbers)
        self.numbers = numbers

    @cached_property
    def rehearsal(self) -> Rehearsal:
        """Return what an earlier stay has kept of its rehearsal, or one that knows no row."""
        kept = JobFile.objects.filter(job_id=self.running.job.id, name=Rehearsal.NAME).exists()
        path = self.running.path(Rehearsal.NAME) if kept else self.running.folder / Rehearsal.NAME
        return Rehearsal(path)

    def _forget_rehearsal(self) -> None:
        self.rehearsal.close()
        self.rehearsal.path.unlink()
        del self.rehearsal
        JobFile._base_manager.filter(job_id=self.running.job.id, name=Rehearsal.NAME).delete()

    def _keep_rehearsal(self, rehearsal: Rehearsal) -> None:
        what: dict[str, Any] = {"name": Rehearsal.NAME, "filename": Rehearsal.NAME, "rows": rehearsal.rows}
        media = "application/vnd.sqlite3"
        self._patiently(partial(self.running.finish_file, rehearsal.path, content_type=media, **what))

    def _begin_writing(self) -> None:
        position = self.running.position
        total = position.get("rows", 0)
        if self.all_or_none and not self.dry_run:
            if self.numbers.failed:
                raise JobRefused("bad_rows", f"{self.numbers.failed} of {total} rows are bad, so none went in.")
            self.numbers = Numbers()

        def begin() -> None:
            with self.running.chunk() as chunk:
                chunk.total = total
                chunk.position = {**self._start(), "pass": WRITE, "rows": 0, "numbers": self.numbers.plain()}

        self._patiently(begin)

    # The second pass

    def _write(self) -> None:
        """Write the good rows."""
        importer = self._importer()
        with self._blocks(lambda: self.pace.rows) as found:
            for block in found:
                self._patiently(partial(self._write_block, importer, block))

    def _write_block(self, importer: Importer, block: Sequence[Candidate]) -> None:
        numbers, told_before = deepcopy(self.numbers), self._told_before(block)
        rows = [one for one in block if one.row.number not in told_before]
        importer.by = self.running.by
        importer.prepare(rows)
        with self.pace, self.running.chunk() as chunk:
            importer.by = self.running.by
            importer.take(rows)
            for one in rows:
                numbers.count(one)
            chunk.bad = [told(one) for one in rows if one.came is Came.FAILED]
            chunk.done = len(block)
            self._place(chunk, WRITE, block, numbers)
        self.numbers = numbers

    def _told_before(self, block: Sequence[Candidate]) -> set[int]:
        """Return the rows of a block of which nothing comes, since the check has said so."""
        if not self.numbers.failed:
            return set()
        rows = block[0].row.number, block[-1].row.number
        found = JobError.objects.filter(job_id=self.running.job.id, row__range=rows)
        return set(found.values_list("row", flat=True))

    def _write_all(self) -> None:
        """Write all rows in one transaction, or rehearse anew where one of them has become bad since the rehearsal."""
        if self.running.position.get("rows"):  # it is done, and who did it could not say so any more
            return
        for _ in range(REHEARSALS):
            try:
                self._patiently(self._write_rows)
            except _BadRow:
                self.numbers = Numbers()
                with self.running.chunk() as chunk:
                    chunk.position = self._start()
                self._forget_rehearsal()
                self._rehearse()
            else:
                return
        raise JobRefused("conflict", "Others kept changing people or groups of these rows.")

    def _write_rows(self) -> None:
        """Write all rows. Raises _BadRow."""
        numbers, importer, rehearsal = Numbers(), self._importer(), self.rehearsal
        with self._blocks(lambda: CHECKED, behind=0) as found:
            first = next(found, None)  # read before the transaction begins, which may not idle
            with self.running.chunk() as chunk:
                for block in chain([first] if first else [], found):
                    self.running.keep()
                    self.running.look()
                    self._write_some(importer, rehearsal, block, numbers)
                    chunk.done += len(block)
                    self._place(chunk, WRITE, block, numbers)
        self.numbers = numbers

    def _write_some(
        self, importer: Importer, rehearsal: Rehearsal, block: Sequence[Candidate], numbers: Numbers
    ) -> None:
        """Write and count some of all rows. Raises _BadRow."""
        importer.by = self.running.by
        for one in block:
            if one.row.password and (encoded := rehearsal.hash_of(one.row.number)):
                one.made.columns["password"] = encoded
        importer.make_groups(block)
        try:
            importer.take(block)
        except Unready:  # somebody new by now, whose password the rehearsal had no reason to hash
            raise _BadRow from None
        for one in block:
            numbers.count(one)
        if numbers.failed:
            raise _BadRow

    def _place(self, chunk: Chunk, which: str, block: Sequence[Candidate], numbers: Numbers) -> None:
        """Say in a chunk that a pass has come behind this block."""
        last = block[-1].row
        chunk.position = {
            **self._start(),
            "pass": which,
            "rows": last.number,
            "behind": round(last.behind, 4),
            "numbers": numbers.plain(),
        }

    def _start(self) -> dict[str, Any]:
        return {"how": self.how_kept}

    def _patiently(self, work: Callable[[], None]) -> None:
        """Do it, and again where others hold or have changed what it needs; it has let go of everything meanwhile."""
        until = time.monotonic() + HELD_S
        while True:
            try:
                return work()
            except Unready:
                if time.monotonic() > until:
                    raise JobRefused("conflict", "Others kept changing people or groups of these rows.") from None
            except OperationalError as error:
                if cause_of(error) not in (Cause.LOCK_TIMEOUT, Cause.DEADLOCK) or time.monotonic() > until:
                    raise
            time.sleep(PAUSE_S)
            self.running.renew()


class Pace(AbstractContextManager["Pace", None]):
    """How many rows the next chunk has, by how long those before it took; the block is one chunk's work."""

    def __init__(self) -> None:
        self._most = WRITTEN[connections[router.db_for_write(User)].vendor]
        self.rows = min(FIRST, self._most)
        self._since = 0.0

    def __enter__(self) -> "Pace":
        self._since = time.monotonic()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        took = time.monotonic() - self._since
        if kind or took > SLOW_S:
            self.rows = max(LEAST, self.rows // 2)
        elif took < QUICK_S:
            self.rows = min(2 * self.rows, self._most)


def told(one: Candidate) -> Bad:
    """Return a row of which nothing comes, as the job keeps it. `sent` is text: jsonb holds neither U+0000 nor halves
    of a pair."""
    code, reason = one.told
    return one.row.number, code, reason, json.dumps(one.row.sent)


def tidy(job: Job) -> None:
    """Remove the file and its rehearsal, in which passwords and hashes may be; a dry run's file may be imported yet."""
    if job.options.get("dry_run"):
        return
    names = (JobFile.SOURCE, Rehearsal.NAME)
    try:
        for name in names:
            storage().remove(f"{job.folder}/{name}")
    except Unavailable as error:  # expiry.py removes them
        log.warning("storage_unavailable", reason=str(error))
    else:
        JobFile._base_manager.filter(job_id=job.id, name__in=names).delete()


KINDS["import"] = Kind(run=run, permission="users:write", errors=bad_rows, tidy=tidy)
