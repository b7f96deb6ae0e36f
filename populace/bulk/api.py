"""/api/v1/jobs: how far each has come, and what it has made. Whoever asked for it sees it; `admin` sees all."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from populace.api.authentication import actor_of, require
from populace.api.idempotency import NOTHING
from populace.api.jobs import documents_of, error_file, is_good, result_file, shown_job
from populace.api.lists import ListView
from populace.api.paging import Asked, Key, parameters_of
from populace.api.problems import Fault, Problem
from populace.api.receipts import Kept
from populace.api.uploads import Upload, received
from populace.api.views import JSON, LeanView, refuse_body, uuid_or_404
from populace.bulk import exports, undo
from populace.bulk.actions import cancel_job, create_job
from populace.bulk.bulk_actions import ask
from populace.bulk.chosen import PERMISSIONS, chosen_of
from populace.bulk.documents import BASE, JOB_FIELDS
from populace.bulk.errors import OptionRefused
from populace.bulk.exported import EXPORTED
from populace.bulk.formats import FORMATS
from populace.bulk.formats.source import FILE_MAX
from populace.bulk.imports import ON_CONFLICT, ROWS, import_job, request_import
from populace.bulk.kinds import KINDS
from populace.bulk.models import Job
from populace.bulk.options import parsed
from populace.bulk.preview import preview_of
from populace.bulk.reads import job_of, jobs_of
from populace.infra.db.compiled import Row
from populace.infra.db.ids import FIRST_ID, LAST_ID
from populace.infra.scratch import scratch

FLAGS = ("true", "false")
READ, WRITE = "jobs:read", "jobs:write"
CHOOSE = "users:read"
"""Of a bulk action; what else it takes, the action says."""


class Takes(NamedTuple):
    """What a member of a body is, and how that is said."""

    kinds: tuple[type, ...]
    says: str


TAKES = {
    "action": Takes((str,), "The name of an action."),
    "filter": Takes((dict,), "An object."),
    "ids": Takes((list,), "A list of ids."),
    "group": Takes((str,), "The id of a group."),
    "values": Takes((dict,), "An object."),
    "partial": Takes((bool,), "Either true or false."),
    "preview": Takes((bool,), "Either true or false."),
    "confirm": Takes((int, str), "A number of people, or a preview's token."),
}
"""The members of a bulk action."""


class Jobs(ListView):
    """The collection, newest first."""

    scopes = {"GET": READ}
    path, members = BASE, JOB_FIELDS

    def read(self, asked: Asked) -> None:
        """Leave it to page(), which needs to know who asks."""

    def page(self, request: Request) -> tuple[list[Row], Key | None]:
        """Return the rows (document, id)."""
        key, by = self.asked.key, actor_of(request)
        behind = UUID(key[0]) if key else FIRST_ID if self.asked.backwards else LAST_ID
        jobs = jobs_of(by, behind=behind, descending=not self.asked.backwards, rows=self.asked.rows)
        return [
            (document, str(job.id).encode())
            for job, document in zip(jobs, documents_of(jobs, by=actor_of(request)), strict=True)
        ], None


class JobView(LeanView):
    """One job."""

    scopes = {"GET": READ}

    def get(self, request: Request, id: str) -> HttpResponse:
        """Return its document."""
        return shown_job(job_of(uuid_or_404(id), by=actor_of(request)), by=actor_of(request))


class JobCall(LeanView):
    """A call that answers with a job; sent again, with the same one as it is by then."""

    success = {"POST": 202}

    def repeat(self, request: Request, kept: Kept) -> HttpResponse:
        """Return the job as it is now."""
        return shown_job(job_of(kept.subject_id, by=actor_of(request)), by=actor_of(request), status=kept.status)


class JobCancel(JobCall):
    """Have a job stop."""

    scopes, success = {"POST": WRITE}, {"POST": 200}

    def post(self, request: Request, id: str) -> HttpResponse:
        """Ask for it; the job stops behind the chunk that it is in. What it has done stays."""
        key, by = uuid_or_404(id), actor_of(request)
        refuse_body(request)
        job = job_of(key, by=by)
        require(request, KINDS[job.kind].needs(job))
        return shown_job(cancel_job(job.id, by=by), by=by)


IMPORT_FIELDS = {
    "format": tuple(FORMATS),
    "dry_run": FLAGS,
    "on_conflict": ON_CONFLICT,
    "rows": ROWS,
    "welcome": FLAGS,
    "options": (),
}
"""The fields of the form beside its file, and what each may say."""


class Imports(JobCall):
    """People from a file."""

    scopes = {"POST": WRITE}

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer; what was spooled is gone then."""
        with ExitStack() as self.spool:
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse who may not before a byte is read."""
        super().initial(request, *args, **kwargs)
        require(request, KINDS["import"].permission)

    @cached_property
    def upload(self) -> Upload:
        """The form, its file on the disk."""
        folder = self.spool.enter_context(scratch())
        return received(self.request._request, folder, names=IMPORT_FIELDS, most=FILE_MAX)

    def sent(self, request: Request) -> bytes:
        """Return a digest of file and fields."""
        return self.upload.digest

    def post(self, request: Request) -> HttpResponse:
        """Ask for the job that imports it."""
        path, filename, content_type, fields, _ = self.upload
        job = import_job(**_asked(fields))
        by = actor_of(request)
        return shown_job(
            request_import(job, path, by=by, filename=filename, content_type=content_type), by=by, status=202
        )


def _asked(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return what a form asks for, as import_job takes it. Raises Problem."""
    faults = [
        Fault(f"/{name}", "invalid_choice", f"One of {', '.join(allowed)}.")
        for name, allowed in IMPORT_FIELDS.items()
        if allowed and name in fields and fields[name] not in allowed
    ]
    if faults:
        raise Problem("invalid", errors=faults)
    asked: dict[str, Any] = {"file_format": fields.get("format")}
    asked |= {name: fields[name] for name in ("on_conflict", "rows") if name in fields}
    asked |= {name: fields[name] == "true" for name in ("dry_run", "welcome") if name in fields}
    try:
        return asked | ({"options": parsed(fields["options"])} if "options" in fields else {})
    except OptionRefused as refused:
        raise Problem("invalid", errors=[Fault("/options", "invalid", f"Not as expected: {refused}.")]) from None


class JobErrors(LeanView):
    """The rows of which nothing came."""

    scopes = {"GET": READ}

    def get(self, request: Request, id: str) -> StreamingHttpResponse:
        """Return them as CSV, or in the shape of the file that they came in."""
        if (response := error_file(_own(request, id))) is None:
            raise Problem("not_found")
        return response


class JobResult(LeanView):
    """The file that a job has made."""

    scopes = {"GET": READ}
    with_query = ("GET",)

    def get(self, request: Request, id: str) -> StreamingHttpResponse:
        """Return it to who asked for the job, while they may still see what is in it; the event names the rows."""
        parameters = parameters_of(request._request, ("link",))
        job = _own(request, id)
        if "link" in parameters and not is_good(parameters["link"], job):
            raise Problem("not_found")
        if (response := result_file(job, by=actor_of(request))) is None:
            raise Problem("not_found")
        return response


class Exports(JobCall):
    """A list as a file."""

    scopes = {"POST": tuple(one.permission for one in EXPORTED.values())}

    def post(self, request: Request) -> HttpResponse:
        """Ask for it: 202 with the job, whose result is the file."""
        body, by = dict(request.data), actor_of(request)
        require(request, exports.exported_in(body).permission)
        options = exports.asked(body)
        job = Job(kind="export", options=options)
        return shown_job(create_job(job, by=by, told=exports.told(options)), by=by, status=202)

    def repeat(self, request: Request, kept: Kept) -> HttpResponse:
        """Return the job as it is now, to who may still ask for it."""
        require(request, exports.exported_in(dict(request.data)).permission)
        return super().repeat(request, kept)


class BulkActions(JobCall):
    """One action on many people."""

    scopes = {"POST": CHOOSE}

    def post(self, request: Request) -> HttpResponse:
        """Have it done by a job (202), or with `preview` tell what would be done (200)."""
        data, by = dict(request.data), actor_of(request)
        if faults := [Fault(f"/{name[:200]}", "unknown_field", "Unknown.") for name in data if name not in TAKES]:
            raise Problem("invalid", errors=faults[:20])
        if faults := [Fault(f"/{name}", "invalid", TAKES[name].says) for name in data if not _fits(name, data[name])]:
            raise Problem("invalid", errors=faults)
        preview, confirm = data.pop("preview", False), data.pop("confirm", None)
        chosen = chosen_of(**data)
        require(request, PERMISSIONS[chosen.action])
        if preview:
            document = preview_of(chosen, by=by).document()
            return HttpResponse(json.dumps(document, ensure_ascii=False).encode(), content_type=JSON)
        return shown_job(ask(chosen, by=by, confirm=confirm), by=by, status=202)

    def repeat(self, request: Request, kept: Kept) -> HttpResponse:
        """Return the job as it is now; a preview once more."""
        if kept.subject_id == NOTHING:
            return self.post(request)
        return super().repeat(request, kept)


def _fits(name: str, value: object) -> bool:
    """Tell whether a value is of the kind that the member takes; true and false are no numbers."""
    kinds = TAKES[name].kinds
    return isinstance(value, kinds) and isinstance(value, bool) == (bool in kinds)


class JobUndo(JobCall):
    """Have what a bulk action did taken back."""

    scopes = {"POST": WRITE}

    def post(self, request: Request, id: str) -> HttpResponse:
        """Have it undone by another job."""
        key, by = uuid_or_404(id), actor_of(request)
        refuse_body(request)
        return shown_job(undo.ask(job_of(key, by=by), by=by), by=by, status=202)


def _own(request: Request, id: str) -> Job:
    """Return the caller's own job, if they may still do what it did; nobody else's, whatever they may."""
    by = actor_of(request)
    job = job_of(uuid_or_404(id), by=by)
    if job.user_id != by.id:
        raise Problem("not_found")
    require(request, KINDS[job.kind].needs(job))
    return job
