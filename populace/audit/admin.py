"""The log in the console: what happened, newest first."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest
from django.template.response import TemplateResponse

from populace.audit.models import Event, Feed
from populace.console.events import rows_of
from populace.console.files import export_form
from populace.console.keyset import AFTER, BEFORE, Found, Position, position_in, walk
from populace.console.rights import holds

READ = "events:read"
FILTERS = ("subject", "actor", "action")
"""What the log may be narrowed by, one at a time: each has its index."""

ACTION_MAX = 64


def events_page(site: Any, request: HttpRequest) -> TemplateResponse:
    """Show a page of the log, or of what one filter leaves of it."""
    if not holds(request, READ):
        raise PermissionDenied
    chosen = [(name, value) for name in FILTERS if (value := request.GET.get(name, "").strip())][:1]
    position = position_in(request)
    found = narrowed(*chosen[0], position) if chosen else everything(position)
    request.current_app = site.name
    context = {
        **site.each_context(request),
        **export_form(request, "events", dict(chosen)),
        "title": "Events",
        "rows": rows_of(found.rows),
        "chosen": chosen,
        "action": dict(chosen).get("action", ""),
        "first_url": position.text and link(chosen),
        "previous_url": found.before and link(chosen, (BEFORE, found.before)),
        "next_url": found.after and link(chosen, (AFTER, found.after)),
    }
    return TemplateResponse(request, "console/events.html", context)


def link(chosen: Sequence[tuple[str, str]], *position: tuple[str, str]) -> str:
    """Return the query of another page of the same list."""
    return "?" + urlencode([*chosen, *position])


def everything(position: Position) -> Found:
    """Return a page of the whole log, along the feed: no index of the events holds them all by time."""
    found = walk(Feed.objects.all(), ("seq",), position, descending=True)
    # Not `pk IN (rows)`: for that, SQLite reads the whole table.
    keys = [Q(subject_id=entry.subject_id, at=entry.at, id=entry.event_id) for entry in found.rows]
    events = {event.id: event for event in Event.objects.filter(Q(*keys, _connector=Q.OR))} if keys else {}
    return found._replace(rows=[events[entry.event_id] for entry in found.rows if entry.event_id in events])


def narrowed(name: str, value: str, position: Position) -> Found:
    """Return a page of what one subject, one actor or one action has; of nothing for what can have none."""
    events = Event.objects.all()
    if name == "action":
        events = events.filter(action=value[:ACTION_MAX].replace("\0", ""))
    elif (key := _uuid(value)) is not None:
        events = events.filter(**{"subject_id" if name == "subject" else "actor": key})
    else:
        events = events.none()
    return walk(events, ("at", "id"), position, descending=True)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def register(site: AdminSite) -> None:
    """Put the page into the console."""

    def view(request: HttpRequest) -> TemplateResponse:
        return events_page(site, request)

    site.add_page("events/", view, "events")  # type: ignore[attr-defined]
