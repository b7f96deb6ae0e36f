"""One action on everybody who matches: chosen, looked at, confirmed by the number of people, then a job."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from populace.api.problems import Problem, problem_of
from populace.audit.actors import Actor
from populace.bulk.bulk_actions import ask
from populace.bulk.chosen import GROUP_ACTIONS, Chosen, chosen_of, may
from populace.bulk.confirming import UNCONFIRMED
from populace.bulk.preview import Preview, preview_of
from populace.console.jobs import ACTIONS
from populace.console.rights import actor_of
from populace.groups.models import Group
from populace.users.errors import Invalid
from populace.users.identifiers import name_normal
from populace.users.refusals import record_refusal

FILTERS = {
    "q": ("Name, user name or e-mail has", "text"),
    "domain": ("E-mail domain", "text"),
    "group": ("Member of the group", "text"),
    "joined_after": ("Joined after", "date"),
    "joined_before": ("Joined before", "date"),
    "last_login_after": ("Last sign-in after", "date"),
    "last_login_before": ("Last sign-in before", "date"),
}
"""Filters of the form, what they are called, and the kind of their field; besides them the state."""

FIELDS = ("action", "is_active", *FILTERS, "to_group", "locale", "timezone", "partial")


def bulk_page(site: Any, request: HttpRequest) -> HttpResponse:
    """Show the form; on its way back what would be done, and when that is confirmed, do it."""
    by = actor_of(request)
    actions = [(name, label) for name, label in ACTIONS.items() if may(name, by)]
    if not actions:
        raise PermissionDenied
    given = {name: (request.POST or request.GET).get(name, "").replace("\0", "").strip()[:300] for name in FIELDS}
    faults, preview = list[str](), None
    if request.method == "POST":
        try:
            chosen = _chosen(given)
            if "typed" in request.POST and (started := _started(request, chosen, by, faults)):
                return started
            preview = preview_of(chosen, by=by)
        except Exception as error:
            faults += _faults(request, error, by)
    request.current_app = site.name
    context = {
        **site.each_context(request),
        "title": "Many people at once",
        "actions": actions,
        "given": given,
        "filters": [(name, label, kind, given[name]) for name, (label, kind) in FILTERS.items()],
        "faults": faults,
        "preview": preview,
        "label": ACTIONS.get(given["action"], ""),
        "typing": preview is not None and must_type(preview, given["action"]),
        "unconfirmed": UNCONFIRMED,
    }
    return TemplateResponse(request, "console/bulk.html", context, status=400 if faults else 200)


def must_type(preview: Preview, action: str) -> bool:
    """Tell whether the number of people has to be typed: where they are many, and always where they are gone."""
    return preview.must_be_confirmed or action == "erase"


def _started(request: HttpRequest, chosen: Chosen, by: Actor, faults: list[str]) -> HttpResponse | None:
    """Start the job if what was typed is the number that the preview told; else say so."""
    token = request.POST.get("confirm", "")
    count = token.partition(".")[0]
    typed = request.POST["typed"].replace(",", "").replace("\u202f", "").strip()
    asked = (count.isdecimal() and int(count) > UNCONFIRMED) or chosen.action == "erase"
    if asked and typed != count:
        faults.append("This is not the number of people. Nothing was done.")
        return None
    return redirect("admin:job", id=ask(chosen, by=by, confirm=token).id)


def _chosen(given: Mapping[str, str]) -> Chosen:
    """Return what the form asks for. Raises Invalid, Refused."""
    filter = {name: given[name] for name in ("is_active", *FILTERS) if given[name]}
    if "group" in filter:
        filter["group"] = _group(filter["group"], "group")
    action = given["action"]
    group = _group(given["to_group"], "to_group") if action in GROUP_ACTIONS else None
    values = {name: given[name] for name in ("locale", "timezone") if given[name]} if action == "update" else None
    return chosen_of(action, filter, group=group, values=values, partial=bool(given["partial"]))


def _group(name: str, field: str) -> str:
    found = Group.objects.filter(name_normal=name_normal(name)).first() if name else None
    if found is None:
        raise Invalid("not_found", "No group has this name.", field)
    return str(found.pk)


def _faults(request: HttpRequest, error: Exception, by: Actor) -> list[str]:
    """Return what is told of an error at the form; raises what belongs on a page of its own."""
    problem: Problem = problem_of(error)
    if problem.status_code == 403:
        record_refusal(f"{request.method} {request.path}", by=by)
    if problem.status_code not in (400, 403, 409, 503) or problem.code in ("unavailable", "internal"):
        raise error
    told = [f"{fault.pointer.removeprefix('/').removeprefix('filter/')}: {fault.detail}" for fault in problem.errors]
    return told if told and problem.status_code == 400 else [str(problem.detail)]
