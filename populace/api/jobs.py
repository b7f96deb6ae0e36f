"""A job as an answer: its document, with a link to its result that is good for a while, and its files."""

import hmac
import json
import time
from collections.abc import Iterable
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse

from populace.api.views import JSON
from populace.audit.actors import Actor
from populace.bulk.actions import fetched
from populace.bulk.documents import BASE, document_of, filename_of
from populace.bulk.error_rows import file_of
from populace.bulk.kinds import MEDIA
from populace.bulk.models import Job, JobFile
from populace.bulk.reads import blocks_of, results_of, with_errors

LINK_S = 15 * 60
"""Seconds that the link to a result is good for; a new one comes with every look at the job."""


def shown_job(job: Job, *, by: Actor, status: int = 200) -> HttpResponse:
    """Return a job's document."""
    (document,) = documents_of([job], by=by)
    headers = {"Location": f"{BASE}/{job.id}"} if status in (201, 202) else {}
    return HttpResponse(document, content_type=JSON, status=status, headers=headers)


def documents_of(jobs: list[Job], *, by: Actor) -> list[bytes]:
    """Return the documents of these jobs: two statements, however many they are. Files are for whoever asked alone."""
    mine = [job for job in jobs if job.user_id == by.id]
    bad, files = (with_errors(mine), results_of(mine)) if mine else (set[UUID](), dict[UUID, JobFile]())
    return [
        document_of(job, has_errors=job.id in bad, result_url=_link(job) if job.id in files else None) for job in jobs
    ]


def error_file(job: Job) -> StreamingHttpResponse | None:
    """Return the rows of which nothing came, as a download; None: none."""
    if (found := file_of(job)) is None:
        return None
    return _download(found.blocks, MEDIA[found.suffix], f"{job.kind}-{job.id}.errors.{found.suffix}")


def result_file(job: Job, *, by: Actor) -> StreamingHttpResponse | None:
    """Return the file that a job has made, and have the log say so; None where there is none (any more)."""
    file = results_of([job]).get(job.id)
    if file is None:
        return None
    try:
        blocks = blocks_of(job, file)
    except FileNotFoundError:
        return None
    fetched(job, file, by=by)
    return _download(blocks, file.content_type, filename_of(file))


def _download(blocks: Iterable[bytes], content_type: str, filename: str) -> StreamingHttpResponse:
    """Return a file, block by block, that no cache keeps and no browser shows."""
    headers = {"Content-Disposition": f'attachment; filename="{filename}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(blocks, content_type=content_type, headers=headers)


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
