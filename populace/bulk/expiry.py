"""Jobs that are over are forgotten after actions.KEPT: files first, so that none is left without a row."""

from uuid import UUID

from django.db import router
from django.db.models import Model
from django.utils.timezone import now

from populace.bulk.models import BulkTarget, Job, JobError, JobFile
from populace.infra.storage import storage

JOBS = 20  # of one round
ROWS = 10_000  # rows of one statement


def delete_expired() -> bool:
    """Delete some of what is over; True where there may be more."""
    ids = list(
        Job._base_manager.filter(expires_at__lte=now()).order_by("expires_at").values_list("id", flat=True)[:JOBS]
    )
    for job_id in ids:
        for file in JobFile._base_manager.filter(job_id=job_id):
            storage().remove(file.key)
        JobFile._base_manager.filter(job_id=job_id).delete()
        _delete_rows(JobError, job_id, "row")
        _delete_rows(BulkTarget, job_id, "user_id")
        Job._base_manager.filter(pk=job_id).delete()
    return len(ids) == JOBS


def _delete_rows(model: type[Model], job_id: UUID, key: str) -> None:
    """Delete a job's rows of a table, ROWS at a time in the order of their key."""
    rows = model._base_manager.filter(job_id=job_id).order_by(key).values_list(key, flat=True)
    while (last := list(rows[:ROWS])[-1:]) != []:
        model._base_manager.filter(job_id=job_id, **{f"{key}__lte": last[0]})._raw_delete(router.db_for_write(model))
