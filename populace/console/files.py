"""Files in the console: people sent in, first to be checked alone, and what a list shows, made a file."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.middleware import get_user
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from populace.api.problems import Problem, problem_of
from populace.api.uploads import FRAMING
from populace.audit.actors import Actor
from populace.bulk import exports
from populace.bulk.actions import create_job
from populace.bulk.errors import OptionRefused
from populace.bulk.exported import EXPORTED
from populace.bulk.formats import FORMATS
from populace.bulk.formats.source import FILE_MAX
from populace.bulk.imports import ON_CONFLICT, ROWS, import_job, request_import
from populace.bulk.kinds import KINDS
from populace.bulk.models import Job, JobFile
from populace.bulk.options import parsed
from populace.console.rights import actor_of, holds, may_open_console
from populace.infra.scratch import scratch
from populace.infra.storage import storage
from populace.users.errors import Refused
from populace.users.refusals import record_refusal

WRITE = "jobs:write"


def may_import(by: Actor) -> bool:
    """Tell whether somebody may send files in."""
    return {WRITE, KINDS["import"].permission} <= by.permissions


def body_limit(request: Any) -> int:
    """Return how many bytes a request may bring: those of a form, or of a file with it, from who may send one.

    Asked before anything of it is read, CSRF's token included.
    """
    if request.resolver_match.url_name == "import":
        request.user = get_user(request)
        if may_open_console(request.user) and may_import(actor_of(request)):
            return FILE_MAX + FRAMING
    return settings.BODY_LIMIT


def import_page(site: Any, request: HttpRequest) -> HttpResponse:
    """Show the form; on its way back keep the file and have it checked or imported by a job."""
    by = actor_of(request)
    if not may_import(by):
        if request.method == "POST":
            record_refusal(f"{request.method} {request.path}", by=by)
        raise PermissionDenied
    fault = ""
    if request.method == "POST":
        try:
            return redirect("admin:job", id=_imported(request, by).id)
        except Exception as error:
            problem = problem_of(error)
            if problem.status_code not in (400, 409, 413):
                raise
            fault = problem.errors[0].detail if problem.errors else str(problem.detail)
    request.current_app = site.name
    context = {
        **site.each_context(request),
        "title": "Import",
        "formats": list(FORMATS),
        "on_conflict": ON_CONFLICT,
        "rows": ROWS,
        "fault": fault,
    }
    return TemplateResponse(request, "console/import.html", context, status=400 if fault else 200)


def _imported(request: HttpRequest, by: Actor) -> Job:
    """Return the job of what the form says. Raises Problem, TooManyJobs."""
    sent: Any = request.FILES.get("file")
    if sent is None or not sent.size:
        raise Problem("invalid", "Choose a file.")
    if sent.size > FILE_MAX:
        raise Problem("too_large", "The file is larger than this page takes.")
    choices = {"format": list(FORMATS), "on_conflict": ON_CONFLICT, "rows": ROWS}
    given = {name: request.POST.get(name, "") for name in choices}
    if any(value and value not in choices[name] for name, value in given.items()):
        raise Problem("invalid", "Not one of the choices.")
    asked: dict[str, Any] = {name: given[name] for name in ("on_conflict", "rows") if given[name]}
    asked |= {name: name in request.POST for name in ("dry_run", "welcome")}
    try:
        if options := request.POST.get("options", "").strip():
            asked["options"] = parsed(options)
    except OptionRefused as refused:
        raise Problem("invalid", f"What the file does not say is not as expected: {refused}.") from None
    job = import_job(given["format"] or None, **asked)
    with scratch() as folder:
        path = folder / "file"
        with path.open("wb") as file:
            for piece in sent.chunks():
                file.write(piece)
        return request_import(job, path, by=by, filename=sent.name, content_type=sent.content_type or "")


def is_rehearsal(job: Job) -> bool:
    """Tell whether a job has checked a file that may now be imported."""
    return job.kind == "import" and job.state == Job.SUCCEEDED and bool(job.options.get("dry_run"))


def repeated(job: Job, *, by: Actor) -> Job:
    """Have the file that a job has only checked imported as it was checked. Raises Problem, TooManyJobs."""
    if not may_import(by) or job.user_id != by.id:
        raise PermissionDenied
    source = JobFile.objects.filter(job_id=job.id, name=JobFile.SOURCE).first()
    if source is None or not is_rehearsal(job):
        raise Problem("not_found")
    again = Job(kind=job.kind, options=job.options | {"dry_run": False})
    with scratch() as folder:
        path = folder / "file"
        try:
            storage().get(source.key, path)
        except FileNotFoundError:
            raise Problem("not_found") from None
        return request_import(again, path, by=by, filename=source.filename, content_type=source.content_type)


def export_form(request: HttpRequest, name: str, filter: Mapping[str, str]) -> dict[str, Any]:
    """Return what a page needs for the form that has a list exported; nothing for who may not, or of none served."""
    if not (holds(request, "jobs:read") and holds(request, EXPORTED[name].permission)):
        return {}
    try:
        EXPORTED[name].listing(filter)
    except Refused:
        return {}
    return {"exported": {"list": name, **filter}, "export_formats": list(exports.FORMATS)}


def export_page(request: HttpRequest) -> HttpResponse:
    """Have what a list shows made a file by a job."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    by = actor_of(request)
    given = {name: value for name, value in request.POST.items() if value and name != "csrfmiddlewaretoken"}
    body: dict[str, Any] = {name: given.pop(name, "") for name in ("list", "format")}
    if exports.exported_in(body).permission not in by.permissions:
        record_refusal(f"{request.method} {request.path}", by=by)
        raise PermissionDenied
    body["filter"] = given
    options = exports.asked(body)
    job = create_job(Job(kind="export", options=options), by=by, told=exports.told(options))
    return redirect("admin:job", id=UUID(str(job.id)))
