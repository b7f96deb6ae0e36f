"""A job done by who asks for it, in a process of their own: the command line's way.

Its task's row is born claimed, so no worker takes it while this process renews the lease. Whoever is killed leaves it
to a worker, when the lease is over; whoever interrupts it (Ctrl-C) has it wait until `resume_here`, or cancel_job.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, Q
from django.utils.timezone import now

from populace.audit.actors import SYSTEM, Actor
from populace.bulk.actions import KEPT, cancel_job, create_job
from populace.bulk.errors import JobNotFound
from populace.bulk.models import Job, JobFile, own_task
from populace.bulk.running import work
from populace.bulk.tasks import run_job
from populace.infra.db.fields import FOREVER
from populace.infra.db.ids import new_id
from populace.infra.tasks.current import Again
from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.queue import KEEP_DAYS, LANES, LEASE_S, mark, row_for

type Report = Callable[[Job], None]

JOBS = 20  # of one round


class Interrupted(Exception):
    """Somebody pressed Ctrl-C: the job waits to be resumed."""

    def __init__(self, job: Job) -> None:
        super().__init__(str(job.id))
        self.job = job


def run_here(
    job: Job,
    *,
    by: Actor,
    files: Sequence[JobFile] = (),
    report: Report = lambda job: None,
    told: Mapping[str, Any] | None = None,
) -> Job:
    """Store a new job, do it and return it as it ended. Raises Interrupted, Forbidden, what a chunk fails with."""
    at = now()
    row = row_for(run_job, [str(new_id()), str(job.id)], {}, at, id=own_task(job.id))
    row.due_at, row.started_at, row.fence, row.attempts = at + timedelta(seconds=LEASE_S), at, 1, 1
    create_job(job, by=by, files=files, task=row, told=told)
    return _work(job, row, report)


def resume_here(job_id: UUID, *, report: Report = lambda job: None) -> Job:
    """Go on with a job that was interrupted, or whose process was killed. Raises JobNotFound where there is none."""
    at = now()
    waits = Q(due_at__lte=at) | Q(due_at=FOREVER)
    mine = TaskRow.objects.filter(waits, id=own_task(job_id), state=TaskRow.OPEN)
    until = at + timedelta(seconds=LEASE_S)
    if not mine.update(due_at=until, started_at=at, fence=F("fence") + 1, attempts=1):
        raise JobNotFound
    return _work(Job.objects.get(pk=job_id), TaskRow.objects.get(id=own_task(job_id)), report)


def _work(job: Job, row: TaskRow, report: Report) -> Job:
    def keep(*, progressed: bool = False) -> None:
        mark(row, due_at=now() + timedelta(seconds=LEASE_S))

    with _interrupted() as stop:
        try:
            done = work(job.id, keep=keep, stopping=stop.is_set, report=report)
        except Again:
            mark(row, due_at=FOREVER, enqueued_at=now(), started_at=None)
            if Job._base_manager.filter(pk=job.id, cancel_asked=True).exists():  # while it came to rest
                cancel_job(job.id, by=SYSTEM)
            raise Interrupted(job) from None
    at = now()
    mark(row, state=TaskRow.DONE, finished_at=at, due_at=at + timedelta(days=KEEP_DAYS))
    return done or Job.objects.get(pk=job.id)


def cancel_forgotten() -> bool:
    """Cancel jobs that were interrupted KEPT ago and that nobody has resumed: they keep files, and names."""
    waiting = TaskRow.objects.filter(state=TaskRow.OPEN, lane=LANES[run_job.queue_name], due_at=FOREVER)
    forgotten = waiting.filter(name=run_job.module_path, enqueued_at__lte=now() - KEPT)
    for args in list(forgotten.values_list("args", flat=True)[:JOBS]):
        with suppress(JobNotFound):
            cancel_job(UUID(args["args"][1]), by=SYSTEM)
    return False


@contextmanager
def _interrupted() -> Iterator[threading.Event]:
    """Set an event on Ctrl-C while the block runs; a second one ends the process as usual."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def interrupt(number: int, frame: Any) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
