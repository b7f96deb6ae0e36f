"""/api/v1/events: what happened, newest first."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from populace.api.lists import ListView, Read, cut
from populace.api.paging import Asked, Key, body_of, key_of, page_of, refused
from populace.api.views import JSON
from populace.audit.documents import EVENT_FIELDS
from populace.audit.reads import WALKS, events, everything
from populace.infra.db.compiled import Row
from populace.infra.db.fields import FOREVER, NEVER
from populace.users.errors import Invalid
from populace.users.filters import moment, uuid

FIRST_ID, LAST_ID = UUID(int=0), UUID(int=(1 << 128) - 1)
LAST_SEQ = (1 << 63) - 1
ACTION = re.compile(r"[a-z_]+(\.[a-z_]+)*", re.ASCII)
ACTION_MAX = 64


def action(raw: str) -> str:
    """Return an action's name such as user.created; raises Invalid."""
    if len(raw) > ACTION_MAX or not ACTION.fullmatch(raw):
        raise Invalid("invalid", "An action such as user.created.")
    return raw


PARSED = {"subject": uuid, "actor": uuid, "action": action, "from": moment, "to": moment}


class Events(ListView):
    """The log, from `from` (inclusive) to before `to`; there is no way back but the first page."""

    scopes = {"GET": "events:read"}
    path, members = "/api/v1/events", EVENT_FIELDS
    parameters = tuple(PARSED)

    def read(self, asked: Asked) -> Read:
        """Return the statement of what is asked for."""
        given = parsed(asked.parameters)
        filters = tuple(name for name in WALKS if name in given)
        key: Key = asked.cursor.key if asked.cursor else ()
        if not filters:
            if given:
                raise refused("order_not_served", next(iter(given)), "Times need a subject, an actor or an action.")
            return everything(), {"seq": int(key[0]) if key else LAST_SEQ}
        place, id = (given.get("to", FOREVER), FIRST_ID if "to" in given else LAST_ID)
        if key:
            place, id = datetime.fromisoformat(key[0]), UUID(key[1])
        values = {name: given[name] for name in filters}
        return events(filters), values | {"place": place, "id": id, "far": given.get("from", NEVER), "far_id": FIRST_ID}

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


def parsed(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of the filters; raises Problem about the first that has none."""
    values: dict[str, Any] = {}
    for name in PARSED:
        if (raw := parameters.get(name)) is not None:
            try:
                values[name] = PARSED[name](raw)
            except Invalid as error:
                raise refused(error.code, name, error.detail) from error
    return values
