"""The task behind every job."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.tasks import task
from django.utils.timezone import now

from populace.audit.actors import SYSTEM
from populace.audit.models import Outbox
from populace.bulk import running
from populace.bulk.actions import settle
from populace.bulk.models import Job
from populace.infra.tasks.current import keep, stopping
from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.queue import LANES

LATE = timedelta(hours=1)  # after which an open job has a task, or never gets one by itself
JOBS = 1_000  # looked at in one round


@task(queue_name="bulk")
def run_job(event_id: str, job_id: str) -> None:
    """Do the job of one `job.created`. Run twice, the second finds it over."""
    running.work(UUID(job_id), keep=keep, stopping=stopping)


def enqueue_again() -> bool:
    """Make the task anew of jobs that have none: an older worker beside this release refused it, or it was deleted."""
    late = Job._base_manager.filter(state__in=Job.OPEN, created_at__lte=now() - LATE).order_by("pk")
    jobs = set(late.values_list("pk", flat=True)[:JOBS])
    if jobs:
        # The outbox first: dispatch moves a job from there to the tasks in one transaction.
        jobs -= set(Outbox._base_manager.filter(subject_id__in=jobs).values_list("subject_id", flat=True))
        waiting = TaskRow.objects.filter(
            state__in=[TaskRow.OPEN, TaskRow.SENT], lane=LANES["bulk"], name=run_job.module_path
        )
        at_work = {text for args in waiting.values_list("args", flat=True) if args for text in args["args"]}
        for id in sorted(str(job) for job in jobs):
            if id not in at_work:
                run_job.enqueue("", id)
    return False


def given_up(args: Sequence[Any], kwargs: Mapping[str, Any], reason: str) -> None:
    """Say that a job has failed whose task became a dead letter."""
    job = Job._base_manager.select_for_update().filter(pk=UUID(args[1])).first()
    if job is not None and not job.is_over:
        detail = "It failed at every try; the log and `populace task list --dead` tell why."
        settle(job, Job.FAILED, by=SYSTEM, result=None, code="gave_up", detail=detail)
