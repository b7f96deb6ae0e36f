"""Pages that cost the same wherever they are: each goes on behind a row, and nothing is counted or skipped."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from populace.infra.db.lookups import after

PER_PAGE = 50
AFTER, BEFORE = "after", "before"


class Position(NamedTuple):
    """The row that a page lies behind, or before, as a link says it; "" for the beginning."""

    text: str
    is_before: bool


class Found(NamedTuple):
    """A page's rows, and the positions of the pages beside it ("" where there is none)."""

    rows: list[Any]
    before: str
    after: str


def position_in(request: HttpRequest) -> Position:
    """Return the position that a query gives."""
    if text := request.GET.get(BEFORE):
        return Position(text, True)
    return Position(request.GET.get(AFTER, ""), False)


def walk(rows: QuerySet[Any], names: Sequence[str], position: Position, *, descending: bool) -> Found:
    """Return a page of `rows` in the order of `names`, all of them the same way and the last one unique.

    Reads one row more than it shows, which tells whether there is another page. What is no position of ours begins
    at the beginning.
    """
    key = key_of(rows.model, names, position.text)
    back = bool(key) and position.is_before
    down = descending != back
    if key:
        rows = rows.filter(after(key, descending=down))
    found = list(rows.order_by(*(f"-{name}" if down else name for name in names))[: PER_PAGE + 1])
    return page_of(found, [position_of(row, names) for row in found], back=back, begins=not key)


def page_of(found: Sequence[Any], places: Sequence[str], *, back: bool, begins: bool) -> Found:
    """Return the page of the rows `found`, read in the direction of the walk, each at its place."""
    more, shown = len(found) > PER_PAGE, list(found[:PER_PAGE])
    if not shown:
        return Found([], "", "")
    near, far = "" if begins else places[0], places[len(shown) - 1] if more else ""
    return Found(shown[::-1], far, near) if back else Found(shown, near, far)


def position_of(row: Model, names: Sequence[str]) -> str:
    """Return where a row stands, for a link."""
    return json.dumps([row._meta.get_field(name).value_to_string(row) for name in names])  # type: ignore[union-attr]


def key_of(model: type[Model], names: Sequence[str], text: str) -> Mapping[str, Any] | None:
    """Return the values of a link's position; None for what is none."""
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    try:
        values = json.loads(text)
        if not isinstance(values, list) or not all(isinstance(value, str) and "\0" not in value for value in values):
            return None
        "".join(values).encode()  # no database takes a lone surrogate
        key = {field.name: field.to_python(value) for field, value in zip(fields, values, strict=True)}
        for value in key.values():
            if isinstance(value, datetime):
                value.astimezone(UTC)  # the year 9999 west of Greenwich is none that a database stores
        return key
    except (ValueError, OverflowError, ValidationError, RecursionError):
        return None
