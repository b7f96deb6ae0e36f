"""The values of indexed attributes in their own table: what belongs there for a person, and how it gets there later.

A verb writes them with the person. Those of people who were there before are filled in by a task, which also removes
what no property is indexed for any more. A step of it makes a range of people right whatever stands there, so it bears
a repeat, and stops when another schema was stored.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import Any
from uuid import UUID

from django.db import router
from django.db.models import Exists, OuterRef, Q
from django.utils.timezone import now

from populace.infra.db.retry import atomic
from populace.users import attributes_kept
from populace.users.attributes_schema import indexed
from populace.users.models import AttributeSchema, AttributeValue, User

TEXT_MAX = 200
"""Characters of a text that is kept as it is; a longer one is kept as its digest, which serves equality."""

SETTLED = timedelta(seconds=10)
"""After this every write goes by the new schema: processes keep one for 1 s, a verb's transaction lasts a few more."""

PEOPLE = 2000  # people of a step, of whom only those with such an attribute are read and locked
VALUES = 1000  # rows that a step removes


def text_of(value: Any) -> str | None:
    """Return the text that a JSON value is found by, None for what is not indexed (null, arrays, objects).

    Its first letter says the kind of value, so that "1", 1 and true are three.
    """
    if isinstance(value, bool):
        return f"b{json.dumps(value)}"
    if isinstance(value, int | float):
        return f"n{json.dumps(value)}"
    if not isinstance(value, str):
        return None
    return f"s{value}" if len(value) <= TEXT_MAX else f"d{blake2b(value.encode(), digest_size=32).hexdigest()}"


def values_of(user: User) -> Sequence[AttributeValue]:
    """Return the rows that belong to a person; none, at no cost, where nothing is indexed. For the write door."""
    return values_at(user.id, user.attributes)


def values_at(user_id: UUID, held: Mapping[str, Any]) -> Sequence[AttributeValue]:
    """Return what values_of returns, of an id and attributes."""
    names = attributes_kept.current().indexed
    return _rows(user_id, held, names) if names else ()


def moved(user: User, before: Mapping[str, Any]) -> tuple[list[AttributeValue], list[AttributeValue]]:
    """Return the rows to write and those to remove where a person's attributes were `before`."""
    new = {row.pk: row for row in values_of(user)}
    old = {row.pk: row for row in _rows(user.id, before, attributes_kept.current().indexed)}
    return [new[key] for key in new if key not in old], [old[key] for key in old if key not in new]


def _rows(user_id: UUID, held: Mapping[str, Any], names: Mapping[str, str] | Sequence[str]) -> list[AttributeValue]:
    texts = ((name, text_of(held.get(name))) for name in names)
    return [AttributeValue(user_id=user_id, name=name, value=text) for name, text in texts if text is not None]


def newest() -> AttributeSchema | None:
    """Return the schema that counts, from the database."""
    return AttributeSchema.objects.order_by("-version").first()


def clear_some(schema: AttributeSchema) -> bool:
    """Remove up to VALUES rows of one property that is not indexed; False where there is none."""
    kept = set(indexed(json.loads(schema.schema)))
    found = AttributeValue.objects.order_by("name").values_list("name", flat=True)
    name = found.first()
    while name in kept:  # from one name to the next by the index: there are few
        name = found.filter(name__gt=name).first()
    if name is None:
        return False
    rows = AttributeValue._base_manager.filter(name=name)
    people = list(rows.order_by("name", "value", "user_id").values_list("user_id", flat=True)[:VALUES])
    rows.filter(user_id__in=people)._raw_delete(router.db_for_write(AttributeValue))
    return True


def fill_some(schema: AttributeSchema, behind: UUID) -> UUID | None:
    """Make the rows of the next PEOPLE right; return the last one's id, None where there is nobody left."""
    names = missing(schema)
    ids = list(User.objects.filter(id__gt=behind).order_by("id").values_list("id", flat=True)[:PEOPLE]) if names else []
    if not ids:
        return None
    with atomic(User):
        there = AttributeValue.objects.filter(user_id=OuterRef("id"), name__in=names)
        concerned = Q(attributes__has_any_keys=names) | Exists(there)
        people = User._base_manager.filter(concerned, id__gt=behind, id__lte=ids[-1]).order_by("id")
        # Locked before they are read: no change of theirs can come between.
        held = dict(people.select_for_update().values_list("id", "attributes"))
        _set_right(held, names)
    return ids[-1]


def _set_right(held: Mapping[UUID, Mapping[str, Any]], names: Sequence[str]) -> None:
    right = {row.pk: row for user_id, attributes in held.items() for row in _rows(user_id, attributes, names)}
    stored = AttributeValue.objects.filter(user_id__in=list(held), name__in=names)
    found = {(row.user_id, row.name, row.value) for row in stored}
    for user_id, name, value in found - set(right):
        AttributeValue._base_manager.filter(user_id=user_id, name=name, value=value).delete()
    AttributeValue._base_manager.bulk_create([right[key] for key in right if key not in found], ignore_conflicts=True)


def missing(schema: AttributeSchema) -> list[str]:
    """Return the indexed properties whose values are not all there."""
    return sorted(set(indexed(json.loads(schema.schema))) - set(schema.filled))


def is_due(schema: AttributeSchema) -> bool:
    """Tell whether every process writes by this schema."""
    return now() >= schema.stored_at + SETTLED


def mark_filled(schema: AttributeSchema) -> None:
    """Say that all values are there; lists by them are served from then on."""
    names = sorted(indexed(json.loads(schema.schema)))
    AttributeSchema._base_manager.filter(version=schema.version).update(filled=names)
