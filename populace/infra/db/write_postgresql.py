"""The write door on PostgreSQL: one statement, compiled once per shape.

Its text is made of names from our models alone (so S608 does not apply); every value is a parameter.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import count
from typing import Any

from django.db import IntegrityError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from populace.infra.db.compiled import AnyField, Compiled, bare_type, execute
from populace.infra.db.write_terms import (
    Change,
    Claim,
    Duplicate,
    Stale,
    claims,
    columns,
    grouped,
    is_repeatable,
    prepared,
    removed_by,
)

UNIQUE_VIOLATION = "23505"  # SQLSTATE

type Counts = tuple[tuple[type[Model], int], ...]
"""How many rows of each model."""


def send(
    connection: BaseDatabaseWrapper,
    rows: Sequence[Model],
    change: Change | None,
    remove: Sequence[Model],
    returning: Compiled | None,
) -> bytes | None:
    """Do what write() says."""
    inserts, deletes = grouped(rows), grouped(remove)
    text = statement(
        connection.alias,
        change and (type(change.row), change.columns),
        tuple((model, len(group)) for model, group in inserts.items()),
        tuple((model, len(group)) for model, group in deletes.items()),
        returning,
    )
    args = change_args(change, connection) if change else []
    args += [
        prepared(field, row, connection, add=True)
        for model, group in inserts.items()
        for row in group
        for field in columns(model)
    ]
    args += [
        prepared(field, row, connection, add=False)
        for model, group in deletes.items()
        for row in group
        for field in removed_by(model)
    ]
    if returning:
        args += returning.arguments(connection, {"id": (change.row if change else rows[0]).pk})
    try:
        with transaction.mark_for_rollback_on_error(connection.alias):
            result = execute(connection, text, args)
    except IntegrityError as error:
        if duplicate := duplicate_of(error, claims(rows, change), connection):
            raise duplicate from error
        raise
    if change and not result.ntuples:
        raise Stale
    return result.get_value(0, 0) if returning else None


def key_args(row: Model, connection: BaseDatabaseWrapper) -> list[Any]:
    """Return the row's key as the driver takes it; composite keys have several columns."""
    return [prepared(field, row, connection, add=False) for field in row._meta.pk_fields]


def change_args(change: Change, connection: BaseDatabaseWrapper) -> list[Any]:
    """Return the arguments of update_part, in its order."""
    version: AnyField = change.row._meta.get_field("version")  # type: ignore[assignment]
    return [
        *(prepared(field, change.row, connection, add=False) for field in change.columns),
        *key_args(change.row, connection),
        version.get_db_prep_save(change.expected, connection),
    ]


def duplicate_of(error: IntegrityError, claimed: dict[str, Claim], connection: BaseDatabaseWrapper) -> Duplicate | None:
    """Return what a unique violation of one of our tables says, None for any other error.

    Alone, one more look tells every taken key. A broken transaction can read nothing: there DETAIL holds the one key
    behind ")=(", in words that depend on lc_messages.
    """
    told: Any = error.__cause__
    claim = claimed.get(told.diag.table_name or "") if told.diag.sqlstate == UNIQUE_VIOLATION else None
    if claim is None:
        return None
    if not connection.in_atomic_block:
        return Duplicate(claim.model, claim.taken(connection.alias))
    _, _, detail = (told.diag.message_detail or "").partition(")=(")
    known = [value for values in claim.values.values() for value in values]
    return Duplicate(claim.model, [value for value in known if detail.startswith(f"{value})")])


@lru_cache(maxsize=256)
def statement(
    alias: str,
    change: tuple[type[Model], tuple[AnyField, ...]] | None,
    inserts: Counts,
    deletes: Counts,
    returning: Compiled | None,
) -> str:
    """Return the SQL of one shape of write: one WITH part for each table, then the document.

    The first part is named like its table, so that the document, compiled for that table, reads the new row. With a
    change, every other part reads that part too: it waits for the row's lock, so that an outbox id is drawn in the
    order of the commits, and does nothing if the row was stale.
    """
    connection, numbers = connections[alias], count(1)
    parts = [update_part(*change, connection, numbers)] if change else []
    changed = name_of(change[0], connection) if change else ""
    for model, number in inserts:
        name, back = (f"i{len(parts)}", "") if parts else (name_of(model, connection), " RETURNING *")
        parts.append(f"{name} AS ({insert(model, number, connection, numbers, changed)}{back})")
    parts += [
        f"d{place} AS ({delete(model, number, connection, numbers, changed)})"
        for place, (model, number) in enumerate(deletes)
    ]
    last = returning.native(connection, next(numbers)) if returning else "SELECT 1"
    if changed and not returning:
        last += f" FROM {changed}"  # no row: stale
    return f"WITH {', '.join(parts)} {last}"


def name_of(model: type[Model], connection: BaseDatabaseWrapper) -> str:
    """Return the table's quoted name."""
    return connection.ops.quote_name(model._meta.db_table)


def names_of(fields: Sequence[AnyField], connection: BaseDatabaseWrapper) -> list[str]:
    """Return the columns' quoted names."""
    return [connection.ops.quote_name(field.get_attname_column()[1] or "") for field in fields]


def update_part(
    model: type[Model], fields: tuple[AnyField, ...], connection: BaseDatabaseWrapper, numbers: "count[int]"
) -> str:
    """Return the part that changes one row if its version is the expected one."""
    table = name_of(model, connection)
    sets = "".join(f"{column} = ${next(numbers)}, " for column in names_of(fields, connection))
    key = " AND ".join(f"{column} = ${next(numbers)}" for column in names_of(model._meta.pk_fields, connection))
    where = f"{key} AND version = ${next(numbers)}"
    return f"{table} AS (UPDATE {table} SET {sets}version = version + 1 WHERE {where} RETURNING *)"  # noqa: S608


def insert(
    model: type[Model], number: int, connection: BaseDatabaseWrapper, numbers: "count[int]", changed: str
) -> str:
    """Return an INSERT of `number` rows, of none if there is a change that found no row."""
    types = [bare_type(field, connection) for field in columns(model)]
    values = [f"({', '.join(f'${next(numbers)}::{kind}' for kind in types)})" for _ in range(number)]
    source = f"(VALUES {', '.join(values)}) AS given" + (f", {changed}" if changed else "")
    names = ", ".join(names_of(columns(model), connection))
    twice = " ON CONFLICT DO NOTHING" if is_repeatable(model) else ""
    return f"INSERT INTO {name_of(model, connection)} ({names}) SELECT given.* FROM {source}{twice}"  # noqa: S608


def delete(
    model: type[Model], number: int, connection: BaseDatabaseWrapper, numbers: "count[int]", changed: str
) -> str:
    """Return a DELETE of `number` rows by removed_by(), of none if there is a change that found no row."""
    key = names_of(removed_by(model), connection)
    values = [f"({', '.join(f'${next(numbers)}' for _ in key)})" for _ in range(number)]
    where = f"({', '.join(key)}) IN ({', '.join(values)})" + (f" AND EXISTS (SELECT FROM {changed})" if changed else "")
    return f"DELETE FROM {name_of(model, connection)} WHERE {where}"  # noqa: S608
