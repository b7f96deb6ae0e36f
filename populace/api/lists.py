"""A list, written once for every kind of document: parameters, the token's check folded into the page, the body."""

from collections.abc import Mapping, Sequence
from functools import cache
from json import JSONDecoder
from typing import Any, ClassVar

from django.http import HttpResponse
from rest_framework.request import Request

from populace.api.authentication import DOCUMENT, TOKEN
from populace.api.paging import Asked, Key, asked_of, body_of, nearest, page_of, parameters_of, refused
from populace.api.views import JSON, LeanView
from populace.infra.db.compiled import Compiled, Row
from populace.infra.db.composed import Beside

SHARED = ("limit", "cursor", "fields")
"""Parameters that every list takes."""


@cache
def folded_list(read: Compiled) -> Beside:
    """Return the token's check and a list's statement as one; there are as many as statements of lists."""
    return Beside(TOKEN, read)


type Read = tuple[Compiled, Mapping[str, Any]]
"""The statement of a page, whose rows are (document, *key, …), and its values."""


class ListView(LeanView):
    """A view whose GET is a list. `path`: its own; `parameters`: what it takes besides SHARED; `members`: what a
    document has, for `fields`. What is wrong with the query is told only to who may ask.
    """

    path: ClassVar[str]
    parameters: ClassVar[Sequence[str]] = ()
    members: ClassVar[Sequence[str]]
    with_query = ("GET", "HEAD")
    asked: Asked
    fault: Exception | None = None
    rows: list[Row] | None = None

    def read(self, asked: Asked) -> Read | None:
        """Return how the page is read; None if that takes more than one statement."""
        raise NotImplementedError

    def page(self, request: Request) -> tuple[list[Row], Key | None]:
        """Return the rows that were read, and behind which key there may be more although no row says so."""
        return self.rows or [], None

    def more(self, request: Request, rows: list[Row]) -> dict[str, bytes]:
        """Return further members of the body, each finished JSON."""
        return {}

    def token_row(self, digest: str) -> tuple[Any, ...] | None:
        """Ask for the page along with the token."""
        if self.request._request.method not in self.with_query:
            return TOKEN.row(digest=digest)
        try:
            parameters = parameters_of(self.request._request, (*SHARED, *self.parameters))
            self.fields = fields_of(parameters, self.members)
            self.asked = asked_of(self.path, parameters)
            chosen = self.read(self.asked)
        except Exception as error:
            self.fault, chosen = error, None
        if chosen is None:
            return TOKEN.row(digest=digest)
        statement, values = chosen
        token, self.rows = folded_list(statement).both(DOCUMENT, {"digest": digest, **values}, self.asked.rows)
        return token

    def get(self, request: Request, **place: str) -> HttpResponse:
        """Return a page; `place` is what the path says of where the list lies."""
        if self.fault is not None:
            raise self.fault
        holder: bytes = request.user.user_id  # type: ignore[union-attr]
        self.asked.check_holder(holder)
        rows, ended = self.page(request)
        page = page_of(self.asked, rows, ended=ended)
        if self.fields is not None:
            page = page._replace(documents=[cut(document, self.fields) for document in page.documents])
        return HttpResponse(body_of(self.asked, page, holder, **self.more(request, rows)), content_type=JSON)


def fields_of(parameters: Mapping[str, str], members: Sequence[str]) -> frozenset[str] | None:
    """Return which members of a document are shown, None for all of them; raises Problem."""
    if (raw := parameters.get("fields")) is None:
        return None
    names = raw.split(",", len(members) + 1)
    if len(names) > len(members):
        raise refused("too_many", "fields", f"A document has {len(members)} fields.")
    for name in names:
        if name not in members:
            detail = f"There is no such field; the nearest is {nearest(name, members)}."
            raise refused("unknown_parameter", "fields", detail)
    return frozenset(names)


_scan = JSONDecoder().scan_once  # type: ignore[attr-defined]


def cut(document: bytes, names: frozenset[str]) -> bytes:
    """Return a document with these members only, each as it was written: no number passes through a float."""
    text = document.decode()
    shown, at = [], 1
    while True:
        at = text.index('"', at)
        start = at
        name, at = _scan(text, at)
        value_at = at
        while text[value_at] in " :":
            value_at += 1
        _, at = _scan(text, value_at)
        if name in names:
            shown.append(text[start:at])
        while text[at] == " ":
            at += 1
        if text[at] == "}":
            return ("{" + ",".join(shown) + "}").encode()
