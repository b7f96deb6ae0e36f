"""What the write door takes and raises, and what both its ways (one statement, or several) need."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import AutoField, Model

from populace.infra.db.compiled import AnyField


class Duplicate(Exception):
    """A unique value of a row of `model` is taken; `keys` are those that are (empty: gone again, or not told)."""

    def __init__(self, model: type[Model], keys: Sequence[Any]) -> None:
        super().__init__(f"{model.__name__}: {len(keys)} taken")  # the keys are personal data: never in a log
        self.model = model
        self.keys = keys


class Stale(Exception):
    """The row to change is not there, or no longer has the expected version; nothing was written."""


@dataclass(frozen=True, slots=True)
class Change:
    """UPDATE of `row`: these fields as they are in it, and version + 1, where the stored version is `expected`."""

    row: Model
    fields: tuple[str, ...]
    expected: int

    @property
    def columns(self) -> tuple[AnyField, ...]:
        """The changed fields themselves."""
        return tuple(self.row._meta.get_field(name) for name in self.fields)  # type: ignore[misc]


@cache
def columns(model: type[Model]) -> tuple[AnyField, ...]:
    """Return the fields that an INSERT gives: all but those the database makes."""
    return tuple(f for f in model._meta.concrete_fields if not isinstance(f, AutoField) and not f.generated)


def is_repeatable(model: type[Model]) -> bool:
    """Tell whether a row that is there already may be written again, which changes nothing: `repeatable = True`."""
    return getattr(model, "repeatable", False)


@cache
def removed_by(model: type[Model]) -> tuple[AnyField, ...]:
    """Return the fields that a row to remove is found by: its key and, where that is no part of it, whose it is.

    A claim that an earlier version did not make may have been made by somebody else since.
    """
    key = tuple(model._meta.pk_fields)
    return (*key, *(f for f in model._meta.concrete_fields if f.attname == "user_id" and f not in key))


def grouped(rows: Iterable[Model]) -> dict[type[Model], list[Model]]:
    """Return the rows by model, both in their first order."""
    groups: dict[type[Model], list[Model]] = {}
    for row in rows:
        groups.setdefault(type(row), []).append(row)
    return groups


def plain(field: AnyField, row: Model, *, add: bool) -> Any:
    """Return the value to store; raises TypeError for an expression, which only some engines could take."""
    value = field.pre_save(row, add)
    if hasattr(value, "resolve_expression"):
        raise TypeError(f"{field}: the write door takes plain values")
    return value


def prepared(field: AnyField, row: Model, connection: BaseDatabaseWrapper, *, add: bool) -> Any:
    """Return the value to store as the driver takes it."""
    return field.get_db_prep_save(plain(field, row, add=add), connection)


@dataclass(frozen=True, slots=True)
class Claim:
    """The unique values that one write gives to rows of one model."""

    model: type[Model]
    values: dict[str, list[Any]]  # lookup name ("pk", "name_normal") -> values

    def taken(self, using: str) -> list[Any]:
        """Return those values that stored rows have."""
        stored = self.model._base_manager.using(using)
        # Whole rows: values_list("pk") hands out composite keys as SQLite stores them.
        return [
            getattr(row, name)
            for name, values in self.values.items()
            for row in stored.filter(**{f"{name}__in": values}).order_by(name)
        ]


def claims(rows: Sequence[Model], change: Change | None) -> dict[str, Claim]:
    """Return what a write claims, by table."""
    found: dict[str, Claim] = {}
    for model, group in grouped(rows).items():
        names = [f.attname for f in columns(model) if f.unique and not f.primary_key]
        values = {name: [getattr(row, name) for row in group] for name in names}
        if not isinstance(model._meta.pk, AutoField):
            values["pk"] = [row.pk for row in group]
        found[model._meta.db_table] = Claim(model, values)
    if change:
        values = {f.attname: [getattr(change.row, f.attname)] for f in change.columns if f.unique}
        found.setdefault(change.row._meta.db_table, Claim(type(change.row), values))
    return found
