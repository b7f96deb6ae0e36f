"""The write door on engines without writing CTEs: one short transaction by the ORM."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from django.db import IntegrityError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Model, Q

from populace.infra.db.compiled import Compiled
from populace.infra.db.write_terms import (
    Change,
    Duplicate,
    Stale,
    claims,
    columns,
    grouped,
    is_repeatable,
    plain,
    removed_by,
)


def send(
    connection: BaseDatabaseWrapper,
    rows: Sequence[Model],
    change: Change | None,
    remove: Sequence[Model],
    returning: Compiled | None,
) -> bytes | None:
    """Do what write() says."""
    using = connection.alias
    try:
        with transaction.atomic(using):  # inside a transaction a savepoint, which keeps it readable for the look below
            if change:
                update(change, using)
            for model, group in grouped(rows).items():
                for row in group:
                    for field in columns(model):
                        plain(field, row, add=True)
                model._base_manager.using(using).bulk_create(group, ignore_conflicts=is_repeatable(model))
            for model, group in grouped(remove).items():
                names = [field.attname for field in removed_by(model)]
                each = (Q(**{name: getattr(row, name) for name in names}) for row in group)
                model._base_manager.using(using).filter(reduce(or_, each))._raw_delete(using)
            return returning.one(id=(change.row if change else rows[0]).pk) if returning else None
    except IntegrityError as error:
        if duplicate := duplicate_of(error, rows, change, connection):
            raise duplicate from error
        raise


def update(change: Change, using: str) -> None:
    """Change the row; raises Stale."""
    values = {field.attname: plain(field, change.row, add=False) for field in change.columns}
    stored = type(change.row)._base_manager.using(using).filter(pk=change.row.pk, version=change.expected)
    if not stored.update(**values, version=F("version") + 1):
        raise Stale


def duplicate_of(
    error: IntegrityError, rows: Sequence[Model], change: Change | None, connection: BaseDatabaseWrapper
) -> Duplicate | None:
    """Return the Duplicate that a unique violation of one of our tables is, None for any other error.

    SQLite says "UNIQUE constraint failed: users_identifier.key".
    """
    table = str(error).partition("UNIQUE constraint failed: ")[2].partition(".")[0]
    claim = claims(rows, change).get(table)
    if claim is None:
        return None
    duplicate = Duplicate(claim.model, claim.taken(connection.alias))
    if connection.in_atomic_block:
        connection.needs_rollback = True  # as on PostgreSQL: only a rollback can follow
    return duplicate
