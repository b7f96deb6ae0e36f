"""populace job …, and what commands that do a job say of it."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from populace.cli.directory import directory
from populace.cli.output import CANNOT_RUN, REFUSED, SOME_ROWS_BAD, Failure, note, progress, result

if TYPE_CHECKING:
    from populace.bulk.imports import ImportResult
    from populace.bulk.models import Job

jobs = typer.Typer(help="Jobs: work on many people.", no_args_is_help=True, rich_markup_mode=None)

HELD = "a worker does it, or a process that was killed less than a minute ago: try again then"
KEPT_OF_NONE = ("failed", "errors_file", "recognised")
ROWS_SHOWN = 20  # bad rows on a terminal; all are in the error file
INTERRUPTED = 130

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
JobId = Annotated[UUID, typer.Argument(help="The job's id.")]


@jobs.command("list")
def list_jobs(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20, as_json: AsJson = False
) -> None:
    """List jobs, newest first."""
    with directory():
        from populace.audit.actors import SYSTEM
        from populace.bulk.reads import jobs_of
        from populace.infra.db.ids import LAST_ID

        for job in jobs_of(SYSTEM, behind=LAST_ID, descending=True, rows=limit):
            if as_json:
                result(_told(job), as_json=True)
            else:
                print(f"{job.id}  {job.created_at:%Y-%m-%d %H:%M}  {job.kind:<12} {job.state:<10} {_behind(job)}")


@jobs.command("show")
def show_job(job_id: JobId, as_json: AsJson = False) -> None:
    """Show a job: how far it has come, or what came of it."""
    with directory(), known():
        from populace.audit.actors import SYSTEM
        from populace.bulk.reads import job_of

        result(_told(job_of(job_id, by=SYSTEM)), as_json=as_json)


@jobs.command("cancel")
def cancel(job_id: JobId) -> None:
    """Have a job stop behind the chunk that it is in; what it has done stays."""
    with directory(), known():
        from populace.audit.actors import SYSTEM
        from populace.bulk.actions import cancel_job

        cancel_job(job_id, by=SYSTEM)


@jobs.command("resume")
def resume(job_id: JobId, as_json: AsJson = False) -> None:
    """Go on, in this process, with a job that was interrupted here, or whose process was killed."""
    with directory(), known():
        from populace.bulk.here import resume_here
        from populace.bulk.imports import result_of
        from populace.bulk.models import Job

        with shown("job", as_json=as_json) as report, waiting(job_id):
            job = resume_here(job_id, report=report)
            done = result_of(Job.objects.get(pk=job.id)) if job.kind == "import" else None
    if done:
        tell_import(done, as_json=as_json)
    else:
        fail_unless_good(job)
        result(_told(job), as_json=as_json)


@jobs.command("errors")
def errors(job_id: JobId) -> None:
    """Print a job's bad rows, in the shape of the file that they came in: mended, it can be imported in its turn."""
    with directory(), known():
        from populace.audit.actors import SYSTEM
        from populace.bulk.error_rows import file_of
        from populace.bulk.reads import job_of

        if found := file_of(job_of(job_id, by=SYSTEM)):
            sys.stdout.buffer.writelines(found.blocks)


@contextmanager
def known() -> Iterator[None]:
    """End the command where there is no such job."""
    from populace.bulk.errors import JobNotFound

    try:
        yield
    except JobNotFound:
        raise Failure(REFUSED, "not_found: there is no such job") from None


@contextmanager
def waiting(job_id: UUID) -> Iterator[None]:
    """End the command where there is such a job, though nothing to go on with here."""
    from populace.bulk.errors import JobNotFound
    from populace.bulk.models import Job

    try:
        yield
    except JobNotFound:
        job = Job.objects.filter(pk=job_id).first()
        if job is None:
            raise
        told = f"job_over: it has ended: {job.state}" if job.is_over else f"job_held: {HELD}"
        raise Failure(REFUSED, told) from None


@contextmanager
def shown(what: str, *, as_json: bool) -> "Iterator[Callable[[Job], None]]":
    """Draw a bar while the block does a job; end the command where it is interrupted or its file is refused."""
    from populace.bulk.errors import FileRefused
    from populace.bulk.here import Interrupted

    try:
        with progress(what, as_json=as_json) as report:
            yield lambda job: report(share_of(job))
    except FileRefused as refused:
        raise Failure(SOME_ROWS_BAD, f"the file {refused}") from None
    except Interrupted as interrupted:
        told = f"interrupted; `populace job resume {interrupted.job.id}` goes on"
        raise Failure(INTERRUPTED, told) from None


CHECKING = 0.2
"""The share of an import's time that its first pass takes, about (make bench-bulk)."""


def share_of(job: "Job") -> float:
    """Return how much of a job is done, 0 to 1."""
    if job.is_over:
        return 1.0
    if job.total:
        return CHECKING + (1 - CHECKING) * job.done / job.total
    behind = float(job.position.get("behind", 0))  # of an import's first pass
    return behind if job.options.get("dry_run") else CHECKING * behind


def tell_import(done: "ImportResult", *, as_json: bool) -> None:
    """Print what came of an import; ends the command with 3 where rows are bad."""
    for row, code, reason in done.errors if as_json else done.errors[:ROWS_SHOWN]:
        if as_json:
            result({"row": row, "code": code, "reason": reason}, as_json=True)
        else:
            note(f"row {row}: {code}: {reason}")
    summary = done.summary()
    if done.job.code == "bad_rows":  # the rehearsal's numbers; nobody went in
        summary = {"done": 0} | {name: summary[name] for name in KEPT_OF_NONE if name in summary}
    if not as_json and done.recognised:
        note(taken_as(summary.pop("recognised")))
    if done.job.code == "bad_rows":
        note(f"populace: {done.job.detail}")
    else:
        fail_unless_good(done.job)
    result(summary | ({"dry_run": True} if done.job.options["dry_run"] else {}), as_json=as_json)
    if done.failed:
        raise typer.Exit(SOME_ROWS_BAD)


def taken_as(told: Mapping[str, Any]) -> str:
    """Return in words what an import took its file for."""
    by = f", by {json.dumps(told['delimiter'])}" if "delimiter" in told else ""
    fields = ", ".join(f"{theirs} -> {ours or 'left behind'}" for theirs, ours in told["mapping"].items())
    return f"taken as {told['format']}, {told['encoding']}{by}: {fields}"


def fail_unless_good(job: "Job") -> None:
    """End the command where a job was cancelled or has failed."""
    if job.state == "cancelled":
        raise Failure(CANNOT_RUN, f"cancelled: {_behind(job)} done; what is done stays")
    if job.state == "failed":
        raise Failure(REFUSED if job.code == "forbidden" else CANNOT_RUN, f"{job.code}: {job.detail}")


def _behind(job: "Job") -> str:
    return f"{job.done} of {job.total} rows" if job.total is not None else f"{job.done} rows"


def _told(job: "Job") -> dict[str, Any]:
    """Return what the API shows of the job, less its links."""
    from populace.bulk.documents import document_of

    told: dict[str, Any] = json.loads(document_of(job, has_errors=False, result_url=None))
    return {name: value for name, value in told.items() if not name.endswith("_url")}
