"""The job that removes a large group: closed when it is asked for, so that nobody has anything by it any more; then its
members are taken out chunk by chunk, and at last the group itself goes.

The event `group.deleted` of the closing stands for the end of all its memberships.
"""

from typing import Any
from uuid import UUID

from populace.audit.actors import SYSTEM, Actor
from populace.bulk.actions import create_job
from populace.bulk.kinds import KINDS, Kind
from populace.bulk.models import Job
from populace.bulk.running import Running
from populace.groups.actions import close_group, remove_closed
from populace.groups.models import Group
from populace.infra.db.retry import atomic, retried

KIND = "group_delete"

CHUNK = 5_000
"""Members of one transaction: rows of one index, no events."""

GROUPS = 10  # looked at in one round


@retried
def ask(group_id: UUID, *, by: Actor, expected: int | None = None) -> Job:
    """Close a group and have its members removed; return the job. Raises as close_group, Forbidden, TooManyJobs."""
    job = Job(kind=KIND, options={"group": str(group_id)})
    with atomic(Job):
        create_job(job, by=by)
        job.total = close_group(group_id, by=by, expected=expected)
        Job._base_manager.filter(pk=job.pk).update(total=job.total)
    return job


def run(running: Running) -> dict[str, Any]:
    """Do the job."""
    group_id, behind = UUID(running.options["group"]), running.position.get("after_id", str(UUID(int=0)))
    while behind is not None:
        with running.chunk() as chunk:
            last, removed = remove_closed(group_id, behind=UUID(behind), rows=CHUNK)
            behind = chunk.position["after_id"] = str(last) if last else None
            chunk.done = removed
    return {"members": running.job.done}


def go_on() -> bool:
    """Have what is left of closed groups removed where no job does it: one that was given up, or forgotten."""
    closed = list(Group.objects.filter(closed=True).order_by("pk").values_list("pk", flat=True)[:GROUPS])
    if closed:
        at_work = {job.options["group"] for job in Job.objects.filter(state__in=Job.OPEN, kind=KIND)}
        for group_id in closed:
            if str(group_id) not in at_work:
                create_job(Job(kind=KIND, options={"group": str(group_id)}), by=SYSTEM)
    return False


KINDS[KIND] = Kind(run=run, permission="groups:write", decided=True)
