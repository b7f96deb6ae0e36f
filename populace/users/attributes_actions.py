"""The verb of the attribute schema. It is one of users/actions.py, apart because it is about nobody."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from django.utils.timezone import now

from populace.audit.actions import recorded
from populace.audit.actors import Actor
from populace.audit.permissions import ADMIN
from populace.infra.db.retry import retried
from populace.infra.db.write import Duplicate, write
from populace.users import attributes_kept
from populace.users.attributes_check import Compiled
from populace.users.attributes_index import newest
from populace.users.attributes_schema import check_schema, indexed
from populace.users.errors import Forbidden, VersionMismatch
from populace.users.models import AttributeSchema

SUBJECT = uuid5(NAMESPACE_URL, "populace:attribute-schema")
"""What the events about the schema are about, in every installation."""

TRIES = 3


@retried
def replace_schema(schema: Mapping[str, Any], *, by: Actor, expected: int | None = None) -> AttributeSchema:
    """Store the schema that attributes follow from now on, and return its row. The same again: no event, no version.

    People keep what they have until their attributes change. Raises Forbidden, Invalid (its field is a place in the
    schema), VersionMismatch where `expected` is not the present version (0: none was ever stored).
    """
    if ADMIN not in by.permissions:
        raise Forbidden
    check_schema(schema)
    Compiled(schema)
    text = json.dumps(schema, ensure_ascii=False)
    for _ in range(TRIES):
        old = newest() or AttributeSchema(version=0, schema="{}", filled=[])
        if expected not in (None, old.version):
            raise VersionMismatch
        if old.schema == text:
            return old
        row = AttributeSchema(version=old.version + 1, schema=text, stored_at=now())
        row.filled = sorted(set(old.filled) & set(indexed(schema)))  # what was complete stays so: verbs keep it
        changes = {"schema": {"old": json.loads(old.schema), "new": schema}}
        event = recorded(
            subject_id=SUBJECT,
            subject_kind="attribute_schema",
            action="attribute_schema.updated",
            by=by,
            at=row.stored_at,
            changes=changes,
        )
        try:
            write([row, *event])
        except Duplicate as duplicate:
            if duplicate.model is not AttributeSchema:
                raise
            continue  # somebody was faster
        attributes_kept.forget()
        return row
    raise VersionMismatch
