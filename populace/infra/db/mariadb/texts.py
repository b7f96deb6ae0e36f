"""SQL texts of compiled statements as MariaDB takes them."""

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, UUIDField


def written_out(sql: str, args: Sequence[Any], kept: type, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
    """Return the ORM's `sql` with its constants written out, and the arguments of the type `kept`, which stay.

    PyMySQL writes all of them out in every request, and a document has dozens.
    """
    first, *rest = (sql % (("\0",) * len(args))).split("\0")  # no SQL text holds a NUL
    text, params = first.replace("%", "%%"), []
    for arg, piece in zip(args, rest, strict=True):
        if isinstance(arg, kept):
            params.append(arg)
            text += "%s"
        else:
            text += connection.literal(arg).replace("%", "%%")  # type: ignore[attr-defined]
        text += piece.replace("%", "%%")
    return text, params


def listed(column: Any, connection: BaseDatabaseWrapper) -> str:
    """Return a SELECT of the values in a JSON array, each of the column's type and compared as the column is."""
    value, kind = "value", column.db_type(connection)
    if isinstance(column, UUIDField):  # JSON_TABLE knows no ids
        value, kind = "CAST(value AS UUID)", "char(36)"
    elif isinstance(column, CharField):  # it cuts silently: one more, and what was too long equals nothing
        collation = column.db_parameters(connection).get("collation")
        kind = f"varchar({(column.max_length or 0) + 1}){f' COLLATE {collation}' if collation else ''}"
    return f"SELECT {value} FROM JSON_TABLE(%s, '$[*]' COLUMNS (value {kind} PATH '$')) AS listed"  # noqa: S608
