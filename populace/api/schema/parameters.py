"""What the queries and headers of calls may say."""

from typing import Any

from populace.api.lists import SHARED, ListView
from populace.api.paging import CURSOR_MAX, LIMIT, LIMIT_MAX
from populace.api.schema.shapes import TEXT, UUID, Shape
from populace.users.counts import COUNTS
from populace.users.querysets import ATTRIBUTES, FILTERS, ORDERS, RANGES, SERVED, Served
from populace.users.search import Q_MAX

MOMENT: Shape = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d))?$",
    "examples": ["2026-01-31T12:00:00Z", "2026-01-31"],
}
FILLED: Shape = {"type": "string", "minLength": 1}
SHAPES: dict[str, tuple[Shape, str]] = {
    "limit": ({"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT}, "Rows of a page."),
    "cursor": ({"type": "string", "maxLength": CURSOR_MAX}, "As it stands in `next` and `previous`."),
    "count": ({"type": "string", "enum": list(COUNTS), "default": COUNTS[0]}, "Adds `count` to the page."),
    "order": (
        {"type": "string", "enum": [sign + name for name in (*ORDERS, "id") for sign in ("", "-")]},
        "Which orders are served depends on the filters.",
    ),
    "q": (
        {"type": "string", "minLength": 1, "maxLength": Q_MAX},
        "Beginnings or parts of names or of an e-mail address.",
    ),
    "email": (FILLED, "In any spelling."),
    "username": (FILLED, "In any spelling."),
    "external_id": (FILLED, "As it is."),
    "domain": (FILLED, "What stands behind the @ of the e-mail address."),
    "is_active": ({"type": "string", "enum": ["true", "false"]}, "Whether they are let in."),
    "group": (UUID, "The group's direct members."),
    **dict.fromkeys(RANGES, (MOMENT, "A time, or a day's first moment in UTC: strictly later or earlier.")),
    "owner": (UUID, "One person's tokens."),
    "subject": (UUID, "What it was done to."),
    "actor": (UUID, "Who did it."),
    "action": ({"type": "string", "pattern": r"^[a-z_]+(\.[a-z_]+)*$", "maxLength": 64}, "Such as `user.created`."),
    "from": (MOMENT, "At this time or later; needs a subject, an actor or an action."),
    "to": (MOMENT, "Before this time; needs a subject, an actor or an action."),
}
BY_ATTRIBUTE: Shape = {
    "type": "object",
    "patternProperties": {r"^attributes\.[\w.-]+$": TEXT},
    "additionalProperties": False,
}
KEY: Shape = {"type": "string", "pattern": "^[ -~]{1,255}$"}
HEADERS: dict[str, tuple[Shape, str]] = {
    "Idempotency-Key": (KEY, "Of your own making: the call takes effect once, however often it is sent."),
    "If-Match": (TEXT, "The `ETag` that the change is meant for; else 412."),
    "If-None-Match": (TEXT, "An `ETag` that you hold; 304 where it is still so."),
    "X-Request-ID": ({"type": "string"}, "Your own name for the request, 1 to 64 of `A-Za-z0-9._-`; else one is made."),
}


def queried(view: type[ListView]) -> list[Shape]:
    """Return the parameters of a list's query."""
    found = []
    for name in (*SHARED, *view.parameters):
        if name == "fields":
            items = {"type": "string", "enum": list(view.members)}
            shape: Shape = {"type": "array", "items": items, "minItems": 1, "maxItems": len(view.members)}
            found.append(_query(name, shape, "Which members to show.", style="form", explode=False))
        elif name == ATTRIBUTES:
            text = "`attributes.NAME=value`: exactly this value of an indexed attribute."
            found.append(_query("attributes", BY_ATTRIBUTE, text, style="form", explode=True))
        else:
            found.append(_query(name, *SHAPES[name]))
    return found


def _query(name: str, shape: Shape, text: str, **style: Any) -> Shape:
    return {"name": name, "in": "query", "description": text, "schema": shape, **style}


def headers() -> dict[str, Shape]:
    """Return the parameters that are headers, by their names."""
    return {
        name: {"name": name, "in": "header", "description": text, "schema": shape}
        for name, (shape, text) in HEADERS.items()
    }


def served() -> str:
    """Return which combinations of filters and order are served, in words."""
    return "\n".join(["Served are these filters in these orders, each also with `-`:", "", *map(_line, SERVED)])


def _line(line: Served) -> str:
    filters = " and ".join(f"`{name}`" for name in line.filters)
    others = "any other" if len(line.any_of) > len(FILTERS) else ", ".join(f"`{name}`" for name in line.any_of)
    orders = ", ".join(f"`{name}`" for name in line.orders[::2])
    others = f"any of {others}" if others and not filters else others
    asked = ", with or without ".join(text for text in (filters, others) if text) or "no filter"
    return f"- {asked}: {orders}"
