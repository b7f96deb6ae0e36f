"""The verbs of jobs: ask for one, have it stop, say how it ended. Each writes its event in the same transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Model
from django.utils.timezone import now

from populace.audit.actions import recorded
from populace.audit.actors import SYSTEM, Actor
from populace.bulk.errors import JobNotFound, TooManyJobs
from populace.bulk.kinds import KINDS
from populace.bulk.models import Job, JobFile, own_task
from populace.infra.db.fields import FOREVER
from populace.infra.db.retry import atomic, retried
from populace.infra.db.write import write
from populace.infra.storage import remove_all
from populace.infra.tasks.models import TaskRow
from populace.users.errors import Forbidden

OPEN_MAX = 20
"""Jobs of one person that may wait or run at a time; about so, where several are asked for at once."""

KEPT = timedelta(days=7)
"""How long a job that is over stays, with its files and its bad rows."""

ENDED = {Job.SUCCEEDED: "job.succeeded", Job.FAILED: "job.failed", Job.CANCELLED: "job.cancelled"}
"""What the log says of each end."""


@retried
def create_job(
    job: Job,
    *,
    by: Actor,
    files: Sequence[JobFile] = (),
    scopes: Collection[str] = (),
    task: TaskRow | None = None,
    told: Mapping[str, Any] | None = None,
) -> Job:
    """Store a new job, its files already kept in the storage, so that a worker does it; return it.

    `scopes` default to what the actor may do now: the job never may more. `task`: its row in the queue, for who does
    the job themselves; then the event has no consequences. `told`: what the event says was asked for, without personal
    values. Raises Forbidden, TooManyJobs.
    """
    if KINDS[job.kind].needs(job) not in by.permissions:
        raise Forbidden
    if by.id != SYSTEM.id and Job.objects.filter(state__in=Job.OPEN, user_id=by.id).count() >= OPEN_MAX:
        raise TooManyJobs
    job.user_id, job.request_id, job.created_at = by.id, by.request_id[:64], now()
    job.scopes = " ".join(sorted(scopes or by.permissions))
    mine: list[Model] = [job, *files, *([task] if task else [])]
    with atomic(Job):
        write(mine + recorded_of(job, "job.created", by=by, told=told, quiet=task is not None))
    return job


@retried
def cancel_job(job_id: UUID, *, by: Actor) -> Job:
    """Have a job stop at its next resting place; one that is over, or decided, stays as it is. Raises JobNotFound.

    One that Ctrl-C has ended rests already, for whoever resumes it: a worker takes it now, and settles it.
    """
    with atomic(Job):
        job = Job._base_manager.select_for_update().filter(pk=job_id).first()
        if job is None:
            raise JobNotFound
        if not job.is_over and not job.cancel_asked and not KINDS[job.kind].decided:
            job.cancel_asked = True
            Job._base_manager.filter(pk=job_id).update(cancel_asked=True)
            write(recorded_of(job, "job.cancel_asked", by=by))
        rests = TaskRow.objects.filter(id=own_task(job_id), state=TaskRow.OPEN, due_at=FOREVER)
        rests.update(due_at=now())
    return job


def fetched(job: Job, file: JobFile, *, by: Actor) -> None:
    """Note that somebody fetches what a job has made; the event says how many rows it has."""
    write(recorded_of(job, "export.downloaded", by=by, told={"rows": file.rows}))


def taken_away(job: Job) -> None:
    """Keep the files of a job no longer: whoever asked has them. Raises Unavailable."""
    JobFile._base_manager.filter(job_id=job.id).delete()
    remove_all(f"{job.folder}/")


def settle(
    job: Job, state: str, *, by: Actor, result: Mapping[str, Any] | None, code: str = "", detail: str = ""
) -> None:
    """Say how a job has ended, in the caller's transaction; the event has its numbers."""
    at = now()
    job.state, job.code, job.detail = state, code, detail[:400]
    job.result, job.finished_at, job.expires_at = None if result is None else dict(result), at, at + KEPT
    names = ("state", "code", "detail", "result", "finished_at", "expires_at")
    Job._base_manager.filter(pk=job.pk).update(**{name: getattr(job, name) for name in names})
    numbers = {name: value for name, value in (result or {}).items() if isinstance(value, int)}
    told = {"done": job.done} | numbers | ({"code": code} if code else {})
    write(recorded_of(job, ENDED[state], by=by, told=told))


def recorded_of(
    job: Job, action: str, *, by: Actor, told: Mapping[str, Any] | None = None, quiet: bool = False
) -> list[Model]:
    """Return event and outbox row about a job; `told`: what the event says, JSON without personal values."""
    values = {"kind": job.kind} | dict(told or {})
    changes = {name: {"old": None, "new": value} for name, value in values.items()}
    return recorded(subject_id=job.id, subject_kind="job", action=action, by=by, at=now(), changes=changes, quiet=quiet)
