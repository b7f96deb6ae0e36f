"""`populace export`: a list as a file, by a job in this process."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from populace.cli.directory import directory
from populace.cli.output import CANNOT_RUN, REFUSED, USAGE, Failure, progress, result

if TYPE_CHECKING:
    from populace.bulk.models import Job

INTERRUPTED = 130


def export(file: Path, given: Mapping[str, Any], resume: UUID | None, *, as_json: bool) -> None:
    """Write the list to a new `file`. `given`: list, format, filter, order and fields as they were typed."""
    if file.exists():
        raise Failure(CANNOT_RUN, f"{file} exists already")
    if not file.parent.is_dir():
        raise Failure(CANNOT_RUN, f"{file.parent}: no such folder")
    with directory(), _refusals(file):
        from populace.audit.actors import SYSTEM
        from populace.bulk.exports import asked, told
        from populace.bulk.here import resume_here, run_here
        from populace.bulk.models import Job

        with progress("export", as_json=as_json) as report:
            if resume is None:
                options = asked(_body(file, given))
                job = run_here(
                    Job(kind="export", options=options), by=SYSTEM, report=_share(report), told=told(options)
                )
            else:
                job = _export_of(resume)
                job = job if job.is_over else resume_here(resume, report=_share(report))
        _fetch(job, file)
    result({"file": str(file), "rows": job.done}, as_json=as_json)


def _body(file: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that the API would be sent."""
    body = {"format": file.suffix.removeprefix(".")} | dict(given)
    if "fields" in given:
        body["fields"] = given["fields"].split(",")
    if "filter" in given:
        pairs = [one.partition("=") for one in given["filter"]]
        if not all(found for _, found, _ in pairs):
            raise Failure(USAGE, "export: a filter is written NAME=VALUE")
        body["filter"] = {name: value for name, _, value in pairs}
    return body


def _export_of(job_id: UUID) -> "Job":
    from populace.bulk.errors import JobNotFound
    from populace.bulk.models import Job

    job = Job.objects.filter(pk=job_id, kind="export").first()
    if job is None:
        raise JobNotFound
    return job


def _fetch(job: "Job", file: Path) -> None:
    """Move what the job has made to the file: it is not kept twice."""
    from populace.bulk.actions import taken_away
    from populace.bulk.reads import blocks_of, results_of
    from populace.infra.files import new_private

    made = results_of([job]).get(job.id)
    if job.state != job.SUCCEEDED or made is None:
        raise Failure(CANNOT_RUN, f"{job.code}: {job.detail}" if job.code else f"the job is {job.state}, its file gone")
    with new_private(file) as new, new.open("wb") as target:
        target.writelines(blocks_of(job, made))
    taken_away(job)


def _share(report: Callable[[float], None]) -> "Callable[[Job], None]":
    return lambda job: report(job.done / job.total if job.total else 0)


@contextmanager
def _refusals(file: Path) -> Iterator[None]:
    from populace.bulk.errors import JobNotFound
    from populace.bulk.here import Interrupted
    from populace.infra.storage import Unavailable
    from populace.users.errors import Invalid, Refused

    try:
        yield
    except (Invalid, Refused) as refused:
        name = refused.field if isinstance(refused, Invalid) else refused.parameter
        raise Failure(USAGE, f"export: {name}: {refused.detail}") from None
    except Interrupted as interrupted:
        raise Failure(INTERRUPTED, f"interrupted: `export {file} --resume {interrupted.job.id}` goes on") from None
    except JobNotFound:
        raise Failure(REFUSED, "not_found: there is no such export, or somebody else is at it") from None
    except Unavailable as unavailable:
        raise Failure(CANNOT_RUN, f"storage: {unavailable}") from None
    except FileNotFoundError:
        raise Failure(CANNOT_RUN, "the file of the job is gone") from None
    except OSError as error:
        raise Failure(CANNOT_RUN, f"{file}: {(error.strerror or type(error).__name__).lower()}") from None
