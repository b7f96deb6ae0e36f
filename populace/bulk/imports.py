"""Ask for an import: as a job for a worker, or as one that is done here and now (the command line)."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from populace.audit.actors import Actor
from populace.bulk import here
from populace.bulk.actions import create_job
from populace.bulk.error_file import bad_rows, write_beside
from populace.bulk.errors import FileRefused, OptionRefused
from populace.bulk.formats import FORMATS
from populace.bulk.formats.recognition import Recognised
from populace.bulk.formats.source import FILE_MAX, TOO_LARGE
from populace.bulk.models import Job, JobFile
from populace.bulk.numbers import Numbers
from populace.bulk.reads import errors_of, with_errors
from populace.bulk.rows import NO_OPTIONS, Options
from populace.infra.scratch import scratch
from populace.infra.storage import storage

ERRORS_KEPT = 1000  # in the result; the error file has all of them
ON_CONFLICT = ("skip", "update", "fail")
ROWS = ("good", "all")

type Report = Callable[[Job], None]


@dataclass(slots=True, kw_only=True)
class ImportResult(Numbers):
    """What came of an import that was done here."""

    job: Job
    recognised: Recognised | None  # None where it ended before the file was looked at
    errors: list[tuple[int, str, str]] = field(default_factory=list)  # (row, code, reason), the first ERRORS_KEPT
    errors_file: Path | None = None

    def summary(self) -> dict[str, Any]:
        """Return the numbers by name, the error file, and what the file was."""
        told = Numbers.summary(self) | ({"errors_file": str(self.errors_file)} if self.errors_file else {})
        return told | ({"recognised": self.recognised.shown()} if self.recognised else {})


def import_job(
    file_format: str | None = None,
    *,
    on_conflict: str = "skip",
    dry_run: bool = False,
    rows: str = "good",
    welcome: bool = False,
    options: Options = NO_OPTIONS,
) -> Job:
    """Return a new job that creates and changes the people of a file; run twice on it, the second changes nothing.

    `file_format` is recognised when left out. A row whose external id somebody holds changes that person. Where
    somebody holds another identifier of the row, `skip` passes it over, `update` changes that person, and `fail` makes
    it a bad row; identifiers of two different people always do. `dry_run` finds the same bad rows and writes nothing.
    `rows`: the good ones go in, or `all` of them in one transaction, if none is bad. People go in quietly; `welcome`
    lets follow what follows of people who are made. `options` say what the file does not (rows.Options).
    Raises OptionRefused.
    """
    for what, value, allowed in (("on_conflict", on_conflict, ON_CONFLICT), ("rows", rows, ROWS)):
        if value not in allowed:
            raise OptionRefused(f"unknown {what}; there are {', '.join(allowed)}")
    if file_format is not None and file_format not in FORMATS:
        raise OptionRefused(f"unknown format; there are {', '.join(FORMATS)}")
    asked: dict[str, Any] = {"format": file_format, "on_conflict": on_conflict, "dry_run": dry_run, "rows": rows}
    return Job(kind="import", options=asked | {"welcome": welcome, "options": dict(options)})


def with_file(job: Job, path: Path, *, filename: str, content_type: str, ask: Callable[[JobFile], Job]) -> Job:
    """Keep the file that a job imports, and `ask` for the job; where that fails the file is gone again."""
    file = JobFile(
        job_id=job.id,
        name=JobFile.SOURCE,
        filename=filename[:200],
        content_type=content_type[:100],
        size=path.stat().st_size,
    )
    storage().put(file.key, path)
    try:
        return ask(file)
    except BaseException:
        if not Job.objects.filter(pk=job.id).exists():
            storage().remove(file.key)
        raise


def request_import(job: Job, path: Path, *, by: Actor, filename: str, content_type: str) -> Job:
    """Have a worker do it. Raises what create_job does."""
    return with_file(
        job,
        path,
        filename=filename,
        content_type=content_type,
        ask=lambda file: create_job(job, by=by, files=[file]),
    )


def import_file(
    path: Path, file_format: str | None = None, *, by: Actor, report: Report = lambda job: None, **asked: Any
) -> ImportResult:
    """Do an import in this process and return what came of it; `asked` as import_job has it.

    The bad rows go to a file beside it. Raises FileRefused, OptionRefused, here.Interrupted.
    """
    job = import_job(file_format, **asked)
    job.options["path"] = str(path.resolve())
    with _as_file(path) as file:
        if not file.is_file():
            raise FileRefused("is none: a pipe or a device; write it to a file first")
        if file.stat().st_size > FILE_MAX:
            raise FileRefused(TOO_LARGE)
        with_file(
            job,
            file,
            filename=path.resolve().name,
            content_type="application/octet-stream",
            ask=lambda file: here.run_here(job, by=by, files=[file], report=report),
        )
    return result_of(Job.objects.get(pk=job.id))


@contextmanager
def _as_file(path: Path) -> Iterator[Path]:
    """Give the file, of a folder a zip archive of what its formats read: a job has one file."""
    if not path.is_dir():
        yield path
        return
    with scratch() as folder:
        packed = folder / "folder.zip"
        with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
            for file in sorted(path.glob("*.json")):
                archive.write(file, file.name)
        yield packed


def result_of(job: Job) -> ImportResult:
    """Return what came of an import that is over; one of the command line gets its error file.

    Raises FileRefused, OptionRefused.
    """
    told: Mapping[str, Any] = job.position
    if job.code == "file_refused":
        raise FileRefused(job.detail.removeprefix("The file ").removesuffix("."))
    if job.code == "options_refused":
        raise OptionRefused(job.detail)
    errors = islice(errors_of(job.id), ERRORS_KEPT)
    beside, how = job.options.get("path"), told.get("how")
    found = bad_rows(job) if how and with_errors([job]) else None
    return ImportResult(
        **told.get("numbers", {}),
        job=job,
        recognised=Recognised.again(how) if how else None,
        errors=[(error.row, error.code, error.reason) for error in errors],
        errors_file=write_beside(Path(beside), found) if beside else None,
    )
