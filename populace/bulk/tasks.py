"""The task behind every job."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.tasks import task

from populace.audit.actors import SYSTEM
from populace.bulk import running
from populace.bulk.actions import settle
from populace.bulk.models import Job
from populace.infra.tasks.current import keep, stopping


@task(queue_name="bulk")
def run_job(event_id: str, job_id: str) -> None:
    """Do the job of one `job.created`. Run twice, the second finds it over."""
    running.work(UUID(job_id), keep=keep, stopping=stopping)


def given_up(args: Sequence[Any], kwargs: Mapping[str, Any], reason: str) -> None:
    """Say that a job has failed whose task became a dead letter."""
    job = Job._base_manager.select_for_update().filter(pk=UUID(args[1])).first()
    if job is not None and not job.is_over:
        detail = "It failed at every try; the log and `populace task list --dead` tell why."
        settle(job, Job.FAILED, by=SYSTEM, result=None, code="gave_up", detail=detail)
