"""A serializer's declared fields as one line of CSV (RFC 4180), made by the database as documents are.

Text stands in quotes, guarded as formula.guarded does; ids, times, numbers, `true` and `false` stand bare, what is null
as nothing. What nests is JSON. So a file of millions takes no Python for a row.
"""

from collections.abc import Collection, Sequence
from itertools import chain
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Func, Model, TextField, Value

from populace.infra.db.documents import AnySerializer, Json, is_number, members
from populace.infra.formula import SIGNS

_signs = ", ".join(f"'{sign}'" for sign in SIGNS)
_letters = ", ".join(str(ord(sign)) for sign in f"{SIGNS}'")

# No column of text that is shown holds tabs or ends of lines (users/profile.py:line), so a cell is one line. On
# PostgreSQL the first letter's code tells of nearly every value that it is harmless, which costs less than to cut a
# letter off.
GUARD = {
    "postgresql": f"CASE WHEN ASCII({{0}}) IN ({_letters}) AND LEFT(LTRIM({{0}}, ''''), 1) IN ({_signs})"
    " THEN '''' ELSE '' END",
    "sqlite": f"CASE WHEN SUBSTR(LTRIM({{0}}, ''''), 1, 1) IN ({_signs}) THEN '''' ELSE '' END",
    "mysql": f"CASE WHEN LEFT(TRIM(LEADING '''' FROM {{0}}), 1) IN ({_signs}) THEN '''' ELSE '' END",
}
QUOTED = {
    "postgresql": "REPLACE(({0})::text, '\"', '\"\"')",
    "sqlite": "REPLACE({0}, '\"', '\"\"')",
    "mysql": "REPLACE({0}, '\"', '\"\"') COLLATE utf8mb4_bin",  # as what JSON functions return
}
BARE = {"postgresql": "({0})::text", "sqlite": "{0}", "mysql": "{0}"}


class Line(Func):
    """The values of a document as the cells of a line, without its end."""

    output_field = TextField()

    def __init__(self, *values: Json) -> None:
        super().__init__(*values)

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:  # type: ignore[override]
        """Compile to one call, or one chain of operators, over all the pieces of all cells."""
        pieces: list[str] = []
        params: list[Any] = []
        for at, value in enumerate(self.source_expressions):
            sql, own = compiler.compile(value)
            cell = cell_of(value, connection.vendor)
            pieces += ["','"] if at else []
            for piece in cell:
                pieces.append(piece.format(sql))
                params += [*own] * piece.count("{0}")
        if connection.vendor == "sqlite":  # whose CONCAT is younger than ours
            return f"({' || '.join(merged(pieces))})", params
        return f"CONCAT({', '.join(merged(pieces))})", params


MARK = "\x01"
"""Where something is to be put in later: JSON escapes it, and no column of text has it."""


def shown(
    serializer: AnySerializer, model: type[Model], names: Collection[str], *, csv: bool, later: Collection[str] = ()
) -> Func:
    """Return these fields of a row over `model` as a line of CSV, or as a JSON object.

    `later`: nested lists in whose place stands MARK.
    """
    mark = Json("json", Value(MARK, TextField()), certain=True)
    pairs = [(name, mark if name in later else value) for name, value in members(serializer, model, None, names)]
    if csv:
        return Line(*(value for _, value in pairs))
    return Json("object", *chain.from_iterable((Value(name), value) for name, value in pairs))


def cell_of(value: Any, vendor: str) -> Sequence[str]:
    """Return the pieces of a cell; {0} stands for the value. What is null leaves nothing, no quotes either."""
    if form_of(value) == "bare":
        cell: Sequence[str] = [BARE[vendor]]
    else:
        guard = [GUARD[vendor]] if form_of(value) == "text" else []
        cell = ["'\"'", *guard, QUOTED[vendor], "'\"'"]
    if value.certain:
        return cell
    whole = f"CONCAT({', '.join(cell)})" if vendor == "mysql" else " || ".join(cell)
    return [f"COALESCE({whole}, '')"]


def form_of(value: Any) -> str:
    """Return how a value of a document is written in a cell."""
    if value.kind in ("json", "object", "words"):
        return "json"
    return "text" if value.kind == "plain" and not is_number(value.source_expressions[0]) else "bare"


def merged(pieces: Sequence[str]) -> list[str]:
    """Return the pieces with quotes and commas that stand together as one."""
    found: list[str] = []
    for piece in pieces:
        if found and piece in PUNCTUATION and found[-1].strip("'\",") == "":
            found[-1] = f"{found[-1][:-1]}{piece[1:]}"
        else:
            found.append(piece)
    return found


PUNCTUATION = ("','", "'\"'")
