"""A serializer's declared fields as one line of CSV (RFC 4180), made by the database as documents are.

Text stands in quotes, guarded as formula.guarded does; ids, times, numbers, `true` and `false` stand bare, what is null
as nothing. What nests is JSON. So a file of millions takes no Python for a row.
"""

from collections.abc import Collection
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Func, TextField, Value

from populace.infra.db.documents import AnySerializer, Json, Shape, is_number, members
from populace.infra.formula import SIGNS

_signs = ", ".join(f"'{sign}'" for sign in SIGNS)

# No column of text holds tabs or ends of lines (users/profile.py:line), so a cell is one line.
SHAPES = {
    "text": Shape(
        f"'\"' || CASE WHEN LEFT(LTRIM({{0}}, ''''), 1) IN ({_signs}) THEN '''' ELSE '' END"
        " || REPLACE({0}, '\"', '\"\"') || '\"'",
        f"'\"' || CASE WHEN SUBSTR(LTRIM({{0}}, ''''), 1, 1) IN ({_signs}) THEN '''' ELSE '' END"
        " || REPLACE({0}, '\"', '\"\"') || '\"'",
        f"CONCAT('\"', CASE WHEN LEFT(TRIM(LEADING '''' FROM {{0}}), 1) IN ({_signs}) THEN '''' ELSE '' END,"
        " REPLACE({0}, '\"', '\"\"'), '\"') COLLATE utf8mb4_bin",  # as what JSON functions return
    ),
    "json": Shape(
        "'\"' || REPLACE(({0})::text, '\"', '\"\"') || '\"'",
        "'\"' || REPLACE({0}, '\"', '\"\"') || '\"'",
        "CONCAT('\"', REPLACE({0}, '\"', '\"\"'), '\"') COLLATE utf8mb4_bin",
    ),
    "bare": Shape("({0})::text", "{0}", "{0}"),
}


class Cell(Func):
    """A value of a document as a cell."""

    output_field = TextField()

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:  # type: ignore[override]
        """Compile to the engine's shape; the value's parameters are repeated as often as the value."""
        value: Any = self.source_expressions[0]
        sql, params = compiler.compile(value)
        shape: str = getattr(SHAPES[form_of(value)], connection.vendor)
        made = shape.format(sql)
        return (made if value.certain else f"COALESCE({made}, '')"), [*params] * shape.count("{0}")


class Line(Func):
    """Texts put together."""

    output_field = TextField()
    function = "CONCAT"

    def as_sqlite(self, compiler: Any, connection: BaseDatabaseWrapper, **extra: Any) -> Any:
        """Compile to the operator: CONCAT is younger than our SQLite."""
        return self.as_sql(compiler, connection, template="(%(expressions)s)", arg_joiner=" || ", **extra)


def form_of(value: Any) -> str:
    """Return how a value of a document is written in a cell."""
    if value.kind in ("json", "object", "words"):
        return "json"
    return "text" if value.kind == "plain" and not is_number(value.source_expressions[0]) else "bare"


def line(serializer: type[AnySerializer], *, names: Collection[str] | None = None) -> Line:
    """Return the expression of a row's line, without its end: the serializer's fields, or those that are named."""
    pieces: list[Any] = []
    found: list[tuple[str, Json]] = list(members(serializer(), serializer.Meta.model, None, names))  # type: ignore[attr-defined]
    for _, value in found:
        pieces += [Cell(value), Value(",", TextField())]
    return Line(*pieces[:-1])
