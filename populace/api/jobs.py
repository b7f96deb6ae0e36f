"""A job as an answer: its document, with a link to its result that is good for a while."""

import hmac
import json
import time
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse

from populace.api.views import JSON
from populace.bulk.documents import BASE, document_of
from populace.bulk.models import Job, JobFile
from populace.bulk.reads import results_of, with_errors

LINK_S = 15 * 60
"""Seconds that the link to a result is good for; a new one comes with every look at the job."""


def shown_job(job: Job, *, status: int = 200) -> HttpResponse:
    """Return a job's document."""
    (document,) = documents_of([job])
    headers = {"Location": f"{BASE}/{job.id}"} if status in (201, 202) else {}
    return HttpResponse(document, content_type=JSON, status=status, headers=headers)


def documents_of(jobs: list[Job]) -> list[bytes]:
    """Return the documents of these jobs: two statements, however many they are."""
    bad, files = (with_errors(jobs), results_of(jobs)) if jobs else (set[UUID](), dict[UUID, JobFile]())
    return [
        document_of(job, has_errors=job.id in bad, result_url=_link(job) if job.id in files else None) for job in jobs
    ]


def _link(job: Job) -> str:
    until = int(time.time()) + LINK_S
    return f"{BASE}/{job.id}/result?link={until}.{_signature(job, until, settings.SECRET_KEY)}"


def is_good(link: str, job: Job) -> bool:
    """Tell whether we gave this link to this job's result out, less than LINK_S ago."""
    until, _, signature = link.partition(".")
    if not (until.isascii() and until.isdecimal() and len(until) < 12 and int(until) >= time.time()):
        return False
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return any(hmac.compare_digest(signature.encode(), _signature(job, int(until), one).encode()) for one in secrets)


def _signature(job: Job, until: int, secret: str) -> str:
    key = hmac.digest(secret.encode(), b"populace job result 1", "sha256")
    return hmac.digest(key, json.dumps([str(job.id), str(job.user_id), until]).encode(), "sha256").hex()
