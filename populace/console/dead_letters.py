"""Tasks that were given up: listed with why, tried once more or dropped. For whoever may do all."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from populace.api.views import uuid_or_404
from populace.audit.dead_letters import NotDead, drop_task, retry_task
from populace.audit.permissions import ADMIN
from populace.console.rights import actor_of, holds
from populace.infra.tasks.models import TaskRow
from populace.users.refusals import record_refusal

SHOWN = 100

VERBS: dict[str, tuple[Callable[..., None], str]] = {
    "retry": (retry_task, "It is tried again, with all its tries."),
    "drop": (drop_task, "Dropped."),
}
"""Each verb, and what is said when it is done."""


def dead_page(site: Any, request: HttpRequest) -> TemplateResponse:
    """Show the dead letters, the most urgent first."""
    if not holds(request, ADMIN):
        raise PermissionDenied
    rows = list(TaskRow.objects.filter(state=TaskRow.DEAD).order_by("lane", "due_at")[: SHOWN + 1])
    request.current_app = site.name
    context = {
        **site.each_context(request),
        "title": "Dead letters",
        "rows": [(row, row.error.partition("\n")[0], row.error.rpartition("\n")[2]) for row in rows[:SHOWN]],
        "more": len(rows) > SHOWN,
    }
    return TemplateResponse(request, "console/dead_letters.html", context)


def dead_verb(request: HttpRequest, id: str, verb: str) -> HttpResponse:
    """Try a task once more, or drop it."""
    key = uuid_or_404(id)
    if verb not in VERBS:
        raise Http404
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    by = actor_of(request)
    if ADMIN not in by.permissions:
        record_refusal(f"{request.method} {request.path}", by=by)
        raise PermissionDenied
    run, done = VERBS[verb]
    try:
        run(key, by=by)
    except NotDead:
        messages.error(request, "Somebody else was faster: it is no dead letter any more.")
    else:
        messages.success(request, done)
    return redirect("admin:dead-letters")
