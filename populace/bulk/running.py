"""A job under way: chunk by chunk, each one transaction that also says how far it has come.

Whoever is killed has lost the chunk in hand, nothing else: another worker takes the task when its lease is over and
goes on behind the last chunk. The task's fencing number is renewed in each chunk's transaction, so somebody who comes
back late commits nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from django.db import OperationalError
from django.utils.timezone import now

from populace.audit.actors import SYSTEM, Actor
from populace.audit.permissions import expanded
from populace.bulk.actions import recorded_of, settle
from populace.bulk.kinds import KINDS, JobRefused
from populace.bulk.models import Job, JobError, JobFile
from populace.groups.reads import permissions_of
from populace.infra.db.causes import Cause, cause_of
from populace.infra.db.retry import atomic
from populace.infra.db.write import write
from populace.infra.scratch import scratch
from populace.infra.storage import storage
from populace.infra.tasks.current import Again
from populace.infra.tasks.queue import LEASE_S
from populace.users.errors import Forbidden
from populace.users.models import User

type Bad = tuple[int, str, str, Any]
"""A row of which nothing comes: its number, a code, the reason, and the row as sent (JSON)."""


RENEW_S = 5.0
"""Between two renewals of the lease while a thread is waited for: a transaction may idle for 10 s (PostgreSQL)."""


class Cancelled(Exception):
    """Whoever may has asked the job to stop."""


class Keep(Protocol):
    """Renews the lease, in the present transaction; raises Lost."""

    def __call__(self, *, progressed: bool = False) -> None:
        """Renew it; `progressed`: the task has got on, and earlier tries no longer count."""


@dataclass(slots=True)
class Chunk:
    """What a chunk has done: set by the kind, stored when the block ends."""

    position: dict[str, Any]
    done: int = 0
    total: int | None = None
    bad: list[Bad] = field(default_factory=list)


@dataclass(slots=True)
class Running:
    """What a kind's function gets."""

    job: Job
    by: Actor
    folder: Path
    """Scratch, gone when the function returns."""
    keep: Keep
    stopping: Callable[[], bool]
    report: Callable[[Job], None]
    moved: bool = False
    """A chunk is done: a stay has one at least, however long the way to it was."""

    @property
    def options(self) -> dict[str, Any]:
        """What was asked for."""
        options: dict[str, Any] = self.job.options
        return options

    @property
    def position(self) -> dict[str, Any]:
        """Where to go on, as the last chunk said; {} at the beginning."""
        position: dict[str, Any] = self.job.position
        return position

    def path(self, name: str = JobFile.SOURCE) -> Path:
        """Return a file of the job as one of this machine. Raises JobRefused where it is gone."""
        place = self.folder / name
        if not place.exists():
            try:
                self.aside(partial(storage().get, f"jobs/{self.job.id}/{name}", place))
            except FileNotFoundError:
                raise JobRefused("file_missing", "The job's file is gone.") from None
        return place

    def aside[T](self, work: Callable[[], T]) -> T:
        """Return what `work` makes, which may take long and asks no database; the lease is kept meanwhile."""
        with ThreadPoolExecutor(1, thread_name_prefix="aside") as thread:
            return self.wait(thread.submit(work))

    def wait[T](self, coming: Future[T]) -> T:
        """Return what a thread makes; the lease is kept meanwhile. Raises what it raises, and Lost."""
        while not wait_for([coming], RENEW_S).done:
            self.renew()
        return coming.result()

    def renew(self) -> None:
        """Keep the lease while nothing is committed. Raises Lost."""
        try:
            with atomic(Job):
                self.keep()
        except OperationalError as error:
            if cause_of(error) is not Cause.LOCK_TIMEOUT:
                raise

    @contextmanager
    def chunk(self) -> Iterator[Chunk]:
        """Hold a transaction for some of the work: all of it is stored, with the job's progress, or nothing.

        Raises Again where the task should rest, Cancelled, JobRefused where whoever asked may no more, Lost.
        """
        if self.stopping() and self.moved:
            self._rest()
        chunk = Chunk(dict(self.position), total=self.job.total)
        with atomic(Job):
            self.keep(progressed=True)
            self.look()
            yield chunk
            _write_bad(self.job.id, chunk.bad)
            done = self.job.done + chunk.done
            unchanged = Job._base_manager.filter(pk=self.job.pk, done=self.job.done)
            if not unchanged.update(done=done, total=chunk.total, position=chunk.position):
                # By another task of this job: an operator may have retried an old one. Look again when that is over.
                raise Again(now() + timedelta(seconds=LEASE_S))
        self.job.done, self.job.total, self.job.position = done, chunk.total, chunk.position
        self.moved = True
        self.report(self.job)

    def finish_file(
        self, path: Path, *, filename: str, content_type: str, rows: int, name: str = JobFile.RESULT
    ) -> None:
        """Keep what the job made as its result, or under another `name` for itself."""
        made = JobFile(
            job_id=self.job.id,
            name=name,
            filename=filename,
            content_type=content_type,
            size=path.stat().st_size,
            rows=rows,
        )
        self.aside(partial(storage().put, made.key, path))
        self._told(made)

    def finish_parts(self, *, filename: str, content_type: str, rows: int, size: int) -> None:
        """Have the files that the position names as `parts` be the result, one after another."""
        self._told(
            JobFile(
                job_id=self.job.id,
                name=JobFile.RESULT,
                filename=filename,
                content_type=content_type,
                size=size,
                rows=rows,
            )
        )

    def _told(self, made: JobFile) -> None:
        with atomic(Job):
            self.keep()
            JobFile._base_manager.filter(job_id=made.job_id, name=made.name).delete()
            JobFile._base_manager.bulk_create([made])

    def look(self) -> None:
        """See whether the job should go on, and what whoever asked may do by now. Raises Cancelled, JobRefused."""
        if KINDS[self.job.kind].decided:
            return
        if Job._base_manager.filter(pk=self.job.pk, cancel_asked=True).exists():
            raise Cancelled
        self.by = actor_of(self.job)
        if KINDS[self.job.kind].needs(self.job) not in self.by.permissions:
            raise JobRefused("forbidden", "Whoever asked for the job may not do it any more.")

    def _rest(self) -> None:
        with atomic(Job):
            self.keep(progressed=True)
            Job._base_manager.filter(pk=self.job.pk).update(rested=True)
        raise Again


def work(
    job_id: UUID,
    *,
    keep: Keep,
    stopping: Callable[[], bool],
    report: Callable[[Job], None] = lambda job: None,
) -> Job | None:
    """Do a job, or go on with it, to its end; return it. None where there is nothing (more) to do.

    Raises Again where it rests, Lost, and whatever a chunk fails with: then it may be tried again.
    """
    if (job := _begin(job_id, keep)) is None:
        return None
    with scratch() as folder:
        running = Running(job, actor_of(job), folder, keep, stopping, report)
        state, result, code, detail = Job.SUCCEEDED, None, "", ""
        try:
            result = KINDS[job.kind].run(running)
        except Cancelled:
            state = Job.CANCELLED
        except JobRefused as refused:
            state, code, detail = Job.FAILED, refused.code, refused.detail
        except Forbidden:
            state, code, detail = Job.FAILED, "forbidden", "Somebody among them may do more than who asked."
    with atomic(Job):
        keep(progressed=True)
        settle(job, state, by=running.by, result=result, code=code, detail=detail)
    if state == Job.SUCCEEDED and (tidy := KINDS[job.kind].tidy):
        tidy(job)
    report(job)
    return job


def actor_of(job: Job) -> Actor:
    """Return whoever asked, with the rights that they have now, of those that they had when they asked."""
    scopes = expanded(job.scopes.split())
    if job.user_id == SYSTEM.id:
        held = SYSTEM.permissions
    elif User.objects.filter(pk=job.user_id, is_active=True).exists():
        held = permissions_of(job.user_id)
    else:
        held = frozenset()
    return Actor(job.user_id, request_id=job.request_id, permissions=held & scopes)


def _begin(job_id: UUID, keep: Keep) -> Job | None:
    """Note that the job runs; that somebody else's work is gone on with, unless it rested, makes an event."""
    with atomic(Job):
        keep()
        job = Job._base_manager.select_for_update().filter(pk=job_id).first()
        if job is None or job.is_over:
            return None
        resumed = job.state == Job.RUNNING and not job.rested
        if job.state == Job.QUEUED:
            job.state, job.started_at = Job.RUNNING, now()
        job.rested = False
        Job._base_manager.filter(pk=job.pk).update(state=job.state, started_at=job.started_at, rested=False)
        if resumed:
            write(recorded_of(job, "job.resumed", by=actor_of(job), told={"done": job.done}))
    return job


def _write_bad(job_id: UUID, bad: Sequence[Bad]) -> None:
    JobError._base_manager.bulk_create(
        JobError(job_id=job_id, row=row, code=code, reason=reason, sent=sent) for row, code, reason, sent in bad
    )
