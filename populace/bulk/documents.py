"""The job as the API shows it."""

import json
from typing import Any

from django.utils.timezone import now
from rest_framework import serializers as drf

from populace.bulk.models import Job, JobFile
from populace.infra.db.documents import DATETIME_FORMAT
from populace.infra.db.fields import FOREVER, NEVER

BASE = "/api/v1/jobs"


class ProgressDocument(drf.Serializer[Any]):
    """How far a job has come, in rows; `total` is null while it is not known."""

    done = drf.IntegerField()
    total = drf.IntegerField(allow_null=True)


class JobDocument(drf.Serializer[Any]):
    """A job, contract v1."""

    id = drf.UUIDField(read_only=True)
    kind = drf.CharField(read_only=True)
    state = drf.ChoiceField(choices=[Job.QUEUED, Job.RUNNING, Job.SUCCEEDED, Job.FAILED, Job.CANCELLED], read_only=True)
    progress = ProgressDocument(read_only=True)
    eta_seconds = drf.IntegerField(read_only=True, allow_null=True)
    owner = drf.UUIDField(read_only=True)
    result = drf.JSONField(read_only=True, allow_null=True)
    code = drf.CharField(read_only=True)
    detail = drf.CharField(read_only=True)
    cancel_asked = drf.BooleanField(read_only=True)
    errors_url = drf.CharField(read_only=True, allow_null=True)
    result_url = drf.CharField(read_only=True, allow_null=True)
    created_at = drf.DateTimeField(read_only=True)
    started_at = drf.DateTimeField(read_only=True, allow_null=True)
    finished_at = drf.DateTimeField(read_only=True, allow_null=True)
    expires_at = drf.DateTimeField(read_only=True, allow_null=True)


SHOWN = JobDocument()
JOB_FIELDS = tuple(SHOWN.fields)


def document_of(job: Job, *, has_errors: bool, result_url: str | None) -> bytes:
    """Return the job's document, finished JSON. `result_url`: None where there is no file to fetch."""
    times = {
        name: None if (at := getattr(job, name)) in (NEVER, FOREVER) else at.strftime(DATETIME_FORMAT)
        for name in ("created_at", "started_at", "finished_at", "expires_at")
    }
    return json.dumps(
        {
            "id": str(job.id),
            "kind": job.kind,
            "state": job.state,
            "progress": {"done": job.done, "total": job.total},
            "eta_seconds": eta_s(job),
            "owner": str(job.user_id),
            "result": job.result,
            "code": job.code,
            "detail": job.detail,
            "cancel_asked": job.cancel_asked,
            "errors_url": f"{BASE}/{job.id}/errors" if has_errors else None,
            "result_url": result_url,
            **times,
        },
        ensure_ascii=False,
    ).encode()


def eta_s(job: Job) -> int | None:
    """Return in how many seconds a job will be done if it goes on as it went; None where nobody can tell."""
    if job.state != Job.RUNNING or not job.done or not job.total or job.started_at == NEVER:
        return None
    passed = (now() - job.started_at).total_seconds()
    return max(0, round(passed * (job.total - job.done) / job.done))


def filename_of(file: JobFile) -> str:
    """Return what a download is called: letters, digits, dot and dash alone."""
    letters = (one if one.isascii() and (one.isalnum() or one in "-_.") else "_" for one in file.filename)
    return "".join(letters)
