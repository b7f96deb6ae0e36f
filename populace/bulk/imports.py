"""Import a file of people, batch by batch; a bad row is told and the rest goes in."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import connections, router

from populace.audit.actors import Actor
from populace.bulk.candidates import Came, Candidate, candidate
from populace.bulk.error_file import ErrorFile
from populace.bulk.errors import OptionRefused
from populace.bulk.formats import FORMATS
from populace.bulk.formats.recognition import Recognised, recognised
from populace.bulk.importer import Importer
from populace.bulk.rows import NO_OPTIONS, Options, Row
from populace.credentials.tasks import enqueue_wrapping
from populace.users.models import User

ERRORS_KEPT = 1000  # in the result; the error file has all of them
SKIPPED_KEPT = 10  # rows of each kind
ON_CONFLICT = ("skip", "update", "fail")

BATCH = {"sqlite": 200}  # rows of one commit: nobody else can write meanwhile
BATCH_ELSEWHERE = 500
PASSWORDS = 50  # in plain text in one batch: each takes some 30 ms to hash


@dataclass(slots=True, kw_only=True)
class ImportResult:
    """What came of a file: rows done (created, updated), skipped (there already, as it is or passed over), failed."""

    done: int = 0
    skipped: int = 0
    failed: int = 0
    errors: list[tuple[int, str, str]] = field(default_factory=list)  # (row, code, reason), the first ERRORS_KEPT
    skipped_rows: list[int] = field(default_factory=list)  # passed over, the first SKIPPED_KEPT
    left_out: dict[str, list[int]] = field(default_factory=dict)  # rows with what stays behind, the first SKIPPED_KEPT
    counts: Counter[str] = field(default_factory=Counter)  # what else is worth knowing, by name
    errors_file: Path | None = None
    recognised: Recognised | None = None

    def summary(self) -> dict[str, Any]:
        """Return the numbers by name, the first rows that were passed over, the error file, and what the file was."""
        numbers: dict[str, Any] = {"done": self.done, "skipped": self.skipped, "failed": self.failed}
        numbers |= sorted(self.counts.items())
        if self.skipped_rows:
            numbers["skipped_rows"] = self.skipped_rows
        if self.left_out:
            numbers["left_out_rows"] = dict(sorted(self.left_out.items()))
        if self.errors_file:
            numbers["errors_file"] = str(self.errors_file)
        return numbers | ({"recognised": self.recognised.shown()} if self.recognised else {})

    def count(self, one: Candidate, errors: ErrorFile) -> None:
        """Add what came of a row."""
        match one.came:
            case Came.FAILED:
                code, reason = one.told
                self.failed += 1
                if len(self.errors) < ERRORS_KEPT:
                    self.errors.append((one.row.number, code, reason))
                errors.write(one.row, code, reason)
            case Came.SKIPPED:
                self.skipped += 1
                if len(self.skipped_rows) < SKIPPED_KEPT:
                    self.skipped_rows.append(one.row.number)
            case Came.UNCHANGED:
                self.skipped += 1
                self.counts["unchanged"] += 1
            case Came.CREATED | Came.UPDATED:
                self.done += 1
                self._count_left_out(one.row)
                if one.came is Came.UPDATED:
                    self.counts["updated"] += 1
                elif one.user.kind == User.SERVICE:
                    self.counts["service_accounts"] += 1

    def _count_left_out(self, row: Row) -> None:
        for name in row.left_out:
            self.counts[name] += 1
            rows = self.left_out.setdefault(name, [])
            if len(rows) < SKIPPED_KEPT:
                rows.append(row.number)


def import_file(
    path: Path,
    file_format: str | None = None,
    *,
    by: Actor,
    on_conflict: str = "skip",
    dry_run: bool = False,
    options: Options = NO_OPTIONS,
    report: Callable[[float], None] = lambda behind: None,
) -> ImportResult:
    """Create and change the people of a file, quietly, a commit for each batch; done again, it changes nothing.

    `file_format` is recognised when left out. A row whose external id somebody holds changes that person. Where
    somebody holds another identifier of the row, `skip` passes it over, `update` changes that person, and `fail` makes
    it a bad row; identifiers of two different people always do. `dry_run` finds the same bad rows and writes nothing.
    `options` say what the file does not (rows.Options). `report` gets the share of the file that is behind, 0 to 1.
    Raises FileRefused, OptionRefused.
    """
    if on_conflict not in ON_CONFLICT:
        raise OptionRefused(f"unknown way to deal with conflicts; there are {', '.join(ON_CONFLICT)}")
    how = recognised(path, file_format, options)
    result, importer = ImportResult(recognised=how), Importer(by=by, on_conflict=on_conflict, dry_run=dry_run)
    with ErrorFile(path, how) as errors:
        for batch in _batches(FORMATS[how.format].rows(path, how.options)):
            candidates = [candidate(row, by=by) for row in batch]
            importer.take(candidates)
            for one in candidates:
                result.count(one, errors)
            report(batch[-1].behind)
    if not dry_run:
        enqueue_wrapping()
    result.errors_file = errors.written
    return result


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    most = BATCH.get(connections[router.db_for_write(User)].vendor, BATCH_ELSEWHERE)
    batch: list[Row] = []
    passwords = 0
    for row in rows:
        batch.append(row)
        passwords += bool(row.password)
        if len(batch) == most or passwords == PASSWORDS:
            yield batch
            batch, passwords = [], 0
    if batch:
        yield batch
