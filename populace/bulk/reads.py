"""Jobs as they are asked for: by id, and page by page."""

from collections.abc import Iterator, Sequence
from itertools import chain
from uuid import UUID

from django.db.models import Exists, OuterRef

from populace.audit.actors import Actor
from populace.audit.permissions import ADMIN
from populace.bulk.errors import JobNotFound
from populace.bulk.models import Job, JobError, JobFile
from populace.infra.storage import storage

PARTS = "parts"
"""Member of a job's position that names the files which are its result, one after another, where it is not one."""


ERRORS_READ = 1_000
"""Bad rows of one statement."""


def job_of(job_id: UUID, *, by: Actor) -> Job:
    """Return a job that the caller may see: their own, anybody's with `admin`. Raises JobNotFound."""
    job = Job.objects.filter(pk=job_id).first()
    if job is None or not (job.user_id == by.id or ADMIN in by.permissions):
        raise JobNotFound
    return job


def jobs_of(by: Actor, *, behind: UUID, descending: bool, rows: int) -> list[Job]:
    """Return a page of the caller's jobs, or with `admin` of everybody's, in the order of ids."""
    found = Job.objects.filter(**{f"id__{'lt' if descending else 'gt'}": behind})
    if ADMIN not in by.permissions:
        found = found.filter(user_id=by.id)
    return list(found.order_by("-id" if descending else "id")[:rows])


def with_errors(jobs: Sequence[Job]) -> set[UUID]:
    """Return those of these jobs that have bad rows: one look-up each, in one statement."""
    bad = Exists(JobError.objects.filter(job_id=OuterRef("pk")))
    return set(Job.objects.filter(bad, pk__in=[job.id for job in jobs]).values_list("pk", flat=True))


def results_of(jobs: Sequence[Job]) -> dict[UUID, JobFile]:
    """Return the file that each of these jobs made, where it is over and made one."""
    found = JobFile.objects.filter(job_id__in=[job.id for job in jobs if job.is_over], name=JobFile.RESULT)
    return {file.job_id: file for file in found}


def errors_of(job_id: UUID) -> Iterator[JobError]:
    """Yield a job's bad rows in the order of the file, ERRORS_READ at a time."""
    row = -1
    while found := list(JobError.objects.filter(job_id=job_id, row__gt=row).order_by("row")[:ERRORS_READ]):
        yield from found
        row = found[-1].row


def blocks_of(job: Job, file: JobFile) -> Iterator[bytes]:
    """Yield the bytes of what a job has made, an export's part by part. Raises FileNotFoundError before the first."""
    names = job.position.get(PARTS) if file.name == JobFile.RESULT else None
    first, *others = [f"{job.folder}/{name}" for name in names] if names else [file.key]
    return chain(storage().blocks(first), chain.from_iterable(storage().blocks(key) for key in others))
