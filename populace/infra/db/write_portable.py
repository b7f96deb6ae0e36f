"""The write door on engines without writing CTEs: one short transaction by the ORM."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from operator import or_

from django.db import IntegrityError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Model, Q

from populace.infra.db.compiled import Compiled
from populace.infra.db.mariadb.errors import UNIQUE_VIOLATION, number_of
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


class Taken(Exception):
    """A unique value of a row of `model` is in a stored row."""

    def __init__(self, model: type[Model]) -> None:
        super().__init__(model.__name__)
        self.model = model


def send(
    connection: BaseDatabaseWrapper,
    rows: Sequence[Model],
    change: Change | None,
    remove: Sequence[Model],
    returning: Compiled | None,
) -> bytes | None:
    """Do what write() says, in one transaction."""
    using = connection.alias
    try:
        with transaction.atomic(using):  # inside a transaction a savepoint, which keeps it readable for the look below
            if change:
                update(change, using)
            for model, group in grouped(rows).items():
                insert(model, group, using)
            for model, group in grouped(remove).items():
                names = [field.attname for field in removed_by(model)]
                each = (Q(**{name: getattr(row, name) for name in names}) for row in group)
                model._base_manager.using(using).filter(reduce(or_, each))._raw_delete(using)
            return returning.one(id=(change.row if change else rows[0]).pk) if returning else None
    except Taken as taken:
        claim = claims(rows, change)[taken.model._meta.db_table]
        duplicate = Duplicate(claim.model, claim.taken(using))
        if connection.in_atomic_block:
            connection.needs_rollback = True  # as on PostgreSQL: only a rollback can follow
        raise duplicate from taken.__cause__


def insert(model: type[Model], group: Sequence[Model], using: str) -> None:
    """Insert rows of one model; raises Taken."""
    for row in group:
        for field in columns(model):
            plain(field, row, add=True)
    with unique(model):
        model._base_manager.using(using).bulk_create(group, ignore_conflicts=is_repeatable(model))


def update(change: Change, using: str) -> None:
    """Change the row; raises Stale and Taken."""
    values = {field.attname: plain(field, change.row, add=False) for field in change.columns}
    stored = type(change.row)._base_manager.using(using).filter(pk=change.row.pk, version=change.expected)
    with unique(type(change.row)):
        if not stored.update(**values, version=F("version") + 1):
            raise Stale


@contextmanager
def unique(model: type[Model]) -> Iterator[None]:
    """Turn a unique violation into Taken; MariaDB does not say in which table it was."""
    try:
        yield
    except IntegrityError as error:
        if number_of(error) == UNIQUE_VIOLATION or "UNIQUE constraint failed: " in str(error):
            raise Taken(model) from error
        raise
