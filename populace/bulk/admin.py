"""Jobs in the console: how far each has come, what came of it, and the buttons that stop it or take it back."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from populace.api.jobs import error_file, result_file
from populace.api.problems import problem_of
from populace.api.views import uuid_or_404
from populace.audit.actors import Actor
from populace.audit.permissions import ADMIN
from populace.bulk import undo
from populace.bulk.actions import cancel_job
from populace.bulk.kinds import KINDS
from populace.bulk.models import Job
from populace.bulk.reads import job_of, results_of, with_errors
from populace.console import jobs
from populace.console.bulk_actions import bulk_page
from populace.console.dead_letters import dead_page, dead_verb
from populace.console.files import export_page, import_page, is_rehearsal, may_import, repeated
from populace.console.keyset import AFTER, BEFORE, position_in, walk
from populace.console.rights import actor_of, holds
from populace.users.refusals import record_refusal

READ, WRITE = "jobs:read", "jobs:write"


def jobs_page(site: Any, request: HttpRequest) -> TemplateResponse:
    """Show a page of one's own jobs, with `admin` of everybody's, newest first."""
    by = _reader(request)
    found, position = Job.objects.all(), position_in(request)
    if ADMIN not in by.permissions:
        found = found.filter(user_id=by.id)
    page = walk(found, ("id",), position, descending=True)
    rows = jobs.rows_of(page.rows)
    context = {
        "title": "Jobs",
        "rows": rows,
        "is_open": any(not row.job.is_over for row in rows),
        "first_url": position.text and "?",
        "previous_url": page.before and "?" + urlencode({BEFORE: page.before}),
        "next_url": page.after and "?" + urlencode({AFTER: page.after}),
    }
    return _shown(site, request, "console/jobs.html", context)


def job_page(site: Any, request: HttpRequest, id: str) -> TemplateResponse:
    """Show one job."""
    by = _reader(request)
    job = job_of(uuid_or_404(id), by=by)
    (row,) = jobs.rows_of([job])
    mine = job.user_id == by.id and KINDS[job.kind].needs(job) in by.permissions
    context = {
        "title": row.title,
        "parent": {"title": "Jobs", "url": "../"},
        "row": row,
        "job": job,
        "is_open": not job.is_over,
        "options": jobs.options_of(job),
        "results": jobs.results_of(job),
        "has_errors": mine and bool(with_errors([job])),
        "file": results_of([job]).get(job.id) if mine else None,
        "may_cancel": holds(request, WRITE) and not job.is_over and not job.cancel_asked,
        "may_run": mine and may_import(by) and is_rehearsal(job),
        "mapping": jobs.mapping_of(job),
        "may_undo": holds(request, WRITE) and undo.is_undoable(job),
    }
    return _shown(site, request, "console/job.html", context)


def job_verb(request: HttpRequest, id: str, verb: str) -> HttpResponse:
    """Stop a job, or take it back, and show what became of that."""
    key = uuid_or_404(id)
    if verb not in VERBS:
        raise Http404
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    by = actor_of(request)
    try:
        if not {READ, WRITE} <= by.permissions:
            raise PermissionDenied
        job = VERBS[verb](job_of(key, by=by), by=by)
    except Exception as error:
        problem = problem_of(error)
        if problem.status_code == 403:
            record_refusal(f"{request.method} {request.path}", by=by)
        if problem.status_code != 409:
            raise
        messages.error(request, str(problem.detail))
        return redirect("admin:job", id=key)
    return redirect("admin:job", id=job.id)


def _cancelled(job: Job, *, by: Actor) -> Job:
    if KINDS[job.kind].needs(job) not in by.permissions:
        raise PermissionDenied
    return cancel_job(job.id, by=by)


VERBS: dict[str, Callable[..., Job]] = {"cancel": _cancelled, "undo": undo.ask, "run": repeated}


def job_errors(request: HttpRequest, id: str) -> StreamingHttpResponse:
    """Return the rows of which nothing came of one's own job."""
    if (response := error_file(_own(request, id))) is None:
        raise Http404
    return response


def job_result(request: HttpRequest, id: str) -> StreamingHttpResponse:
    """Return the file that one's own job has made."""
    job = _own(request, id)
    if (response := result_file(job, by=actor_of(request))) is None:
        raise Http404
    return response


def _own(request: HttpRequest, id: str) -> Job:
    """Return the caller's own job, while they may still do what it did; nobody else's, whatever they may."""
    by = _reader(request)
    job = job_of(uuid_or_404(id), by=by)
    if job.user_id != by.id:
        raise Http404
    if KINDS[job.kind].needs(job) not in by.permissions:
        raise PermissionDenied
    return job


def _reader(request: HttpRequest) -> Actor:
    if not holds(request, READ):
        raise PermissionDenied
    return actor_of(request)


def _shown(site: Any, request: HttpRequest, template: str, context: dict[str, Any]) -> TemplateResponse:
    request.current_app = site.name
    return TemplateResponse(request, template, {**site.each_context(request), **context})


def register(site: AdminSite) -> None:
    """Put the pages into the console."""

    def on(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        return lambda request, **place: view(site, request, **place)

    add: Any = site.add_page  # type: ignore[attr-defined]
    add("jobs/", on(jobs_page), "jobs")
    add("jobs/<str:id>/", on(job_page), "job")
    add("jobs/<str:id>/errors/", job_errors, "job-errors")
    add("jobs/<str:id>/result/", job_result, "job-result")
    add("jobs/<str:id>/<slug:verb>/", job_verb, "job-verb")
    add("bulk/", on(bulk_page), "bulk")
    add("import/", on(import_page), "import")
    add("export/", export_page, "export")
    add("dead-letters/", on(dead_page), "dead-letters")
    add("dead-letters/<str:id>/<slug:verb>/", dead_verb, "dead-letter-verb")
