"""Bulk actions of tests, done in the test's own process."""

from uuid import UUID

from populace.audit.models import Event
from populace.bulk import running
from populace.bulk.models import BulkTarget, Job, JobError
from populace.users.models import User

BULK, JOBS = "/api/v1/bulk-actions", "/api/v1/jobs"
AT = "crowd.example"


def held(*, progressed=False):
    """Hold a lease that nobody takes."""


def work(job_id, *, stopping=lambda: False):
    """Do a job to its end and return it."""
    return running.work(getattr(job_id, "id", job_id), keep=held, stopping=stopping)


def outcome(job):
    """Return what came of a job: state, code, result."""
    found = Job.objects.get(pk=getattr(job, "id", job))
    return found.state, found.code, found.result


def errors(job):
    """Return (row, code, id) of everybody of whom nothing came."""
    found = JobError.objects.filter(job_id=getattr(job, "id", job)).order_by("row")
    return [(error.row, error.code, error.sent["id"]) for error in found]


def targets(job):
    """Return the ids of everybody whom a job is about."""
    return {str(one) for one in BulkTarget.objects.filter(job_id=job.id).values_list("user_id", flat=True)}


def ask(client, action="deactivate", status=202, **body):
    sent = {"action": action, "filter": {"domain": AT}} | body
    response = client.post(BULK, {name: value for name, value in sent.items() if name != "filter" or value is not None})
    assert response.status_code == status, response.content
    return response.json()


def done(client, action="deactivate", **body):
    """Ask, do it, and return (the job's id, its outcome)."""
    job = ask(client, action, **body)["id"]
    work(UUID(job))
    return job, outcome(job)


def inactive():
    return {str(one) for one in User.objects.filter(is_active=False).values_list("pk", flat=True)}


def told(action):
    return {str(one) for one in Event.objects.filter(action=action).values_list("subject_id", flat=True)}
