"""/api/v1/events: what happened, newest first."""

from django.http import HttpResponse
from rest_framework.request import Request

from populace.api.lists import ListView, Read, cut
from populace.api.paging import Asked, Key, body_of, key_of, page_of
from populace.api.views import JSON
from populace.audit.documents import EVENT_FIELDS
from populace.audit.reads import events, everything
from populace.infra.db.compiled import Row
from populace.users.event_filters import EVENT_FILTERS, events_listed


class Events(ListView):
    """The log, from `from` (inclusive) to before `to`; there is no way back but the first page."""

    scopes = {"GET": "events:read"}
    path, members = "/api/v1/events", EVENT_FIELDS
    parameters = tuple(EVENT_FILTERS)

    def read(self, asked: Asked) -> Read:
        """Return the statement of what is asked for."""
        listing = events_listed(asked.parameters)
        statement = events(listing.filters) if listing.filters else everything()
        return statement, listing.behind(asked.cursor.key if asked.cursor else ())

    def page(self, request: Request) -> tuple[list[Row], Key | None]:
        """Return the rows that have a document; where some have none, or the walk was cut off, where to go on."""
        rows, limit = self.rows or [], self.asked.limit
        there = [row for row in rows[:limit] if row[0] is not None]
        cut_off = rows[-1:] if rows and rows[-1][-1] == b"t" else []
        last = rows[limit - 1 : limit] if len(rows) > limit else cut_off
        ended = key_of(last[0]) if last else None
        return [row[:3] for row in there], ended and ended[:2]

    def get(self, request: Request, **place: str) -> HttpResponse:
        """Return a page, which links to the next one only."""
        if self.fault is not None:
            raise self.fault
        holder: bytes = request.user.user_id  # type: ignore[union-attr]
        self.asked.check_holder(holder)
        rows, ended = self.page(request)
        page = page_of(self.asked, rows, ended=ended)._replace(before=None)
        if self.fields is not None:
            page = page._replace(documents=[cut(document, self.fields) for document in page.documents])
        return HttpResponse(body_of(self.asked, page, holder), content_type=JSON)
