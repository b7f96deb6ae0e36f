"""Many rows of one table by COPY (PostgreSQL), in the present transaction.

A row is a pattern's but for some columns. The text is made of names from our models alone; values go as data.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import batched
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from populace.infra.db.write_postgresql import name_of, names_of
from populace.infra.db.write_terms import columns, plain

LINES = 500  # of one message to the server: some 300 KB


def copy_rows(
    connection: BaseDatabaseWrapper, pattern: Model, varied: Sequence[str], rows: Iterable[Sequence[str]]
) -> None:
    """Insert rows like `pattern`, with the texts that each of `rows` gives for the columns `varied`, made by `text`.

    Raises Django's IntegrityError, and whatever else an INSERT may.
    """
    model = type(pattern)
    fields = columns(model)
    parts = [
        f"{{{varied.index(field.attname)}}}"
        if field.attname in varied
        else _escaped(text(plain(field, pattern, add=True)))
        for field in fields
    ]
    line = ("\t".join(parts) + "\n").format
    names = ", ".join(names_of(fields, connection))
    statement = f"COPY {name_of(model, connection)} ({names}) FROM STDIN"
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.cursor.copy(statement) as copy:
        for some in batched(rows, LINES, strict=False):
            copy.write("".join([line(*row) for row in some]))


def text(value: Any) -> str:
    r"""Return a value as COPY's text format has it; NULL is `\N`."""
    match value:
        case None:
            return "\\N"
        case bool():
            return "t" if value else "f"
        case datetime():
            return value.isoformat()
        case dict() | list():
            return escaped(json.dumps(value))
    return escaped(str(value))


def escaped(value: str) -> str:
    """Return a text as it stands in a line of COPY."""
    if "\\" in value:
        value = value.replace("\\", "\\\\")
    if value.isprintable():
        return value
    return value.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _escaped(constant: str) -> str:
    """Return a part of the pattern as str.format leaves it alone."""
    return constant.replace("{", "{{").replace("}", "}}")
