"""Jobs that are over are forgotten after actions.KEPT: files first, so that none is left without a row."""

from django.utils.timezone import now

from populace.bulk.models import Job, JobError, JobFile
from populace.infra.storage import storage

JOBS = 20  # of one round
ERRORS = 10_000  # rows of one statement


def delete_expired() -> bool:
    """Delete some of what is over; True where there may be more."""
    ids = list(
        Job._base_manager.filter(expires_at__lte=now()).order_by("expires_at").values_list("id", flat=True)[:JOBS]
    )
    for job_id in ids:
        for file in JobFile._base_manager.filter(job_id=job_id):
            storage().remove(file.key)
        JobFile._base_manager.filter(job_id=job_id).delete()
        rows = JobError._base_manager.filter(job_id=job_id).order_by("row").values_list("row", flat=True)
        while (last := list(rows[:ERRORS])[-1:]) != []:
            JobError._base_manager.filter(job_id=job_id, row__lte=last[0]).delete()
        Job._base_manager.filter(pk=job_id).delete()
    return len(ids) == JOBS
