"""A person's row from the values of a document: what was typed, what is compared, and what thereby changes."""

import json
from collections.abc import Mapping
from typing import Any

from django.utils.timezone import now

from populace.users import attributes
from populace.users.identifiers import EmailParts, email_normal, name_normal, phone_normal, username_normal
from populace.users.models import User

PROFILE = ("username", "email", "external_id", "first_name", "last_name", "phone", "locale", "timezone", "attributes")
"""The writable fields of the document."""

PROFILE_COLUMNS = (
    *PROFILE,
    *("username_normal", "email_normal", "email_domain", "email_verified"),
    *("first_name_normal", "last_name_normal", "updated_at"),
)
"""Their columns and what follows from them.

Every update writes them all, guarded by the version: one prepared statement instead of one for each combination.
"""


def new_user(values: Mapping[str, Any], **settled: Any) -> User:
    """Return the unsaved row of a person made now; `settled` are columns as they are. Raises Invalid."""
    user = draft(values, **settled)
    attributes.check(user.attributes)
    return user


def draft(values: Mapping[str, Any], **settled: Any) -> User:
    """Return what new_user does, before the attribute schema is asked: it may turn out to be somebody who is there."""
    at = now()
    columns = columns_of(values)
    columns["attributes"] = attributes.checked(columns.get("attributes") or {})
    return User(date_joined=at, updated_at=at, **columns, **settled)


def apply(user: User, new: Mapping[str, Any]) -> dict[str, Any]:
    """Set `new` on the row, with the columns that follow from it; return the event's changes, {} if nothing differs.

    Attributes come whole here. Raises Invalid.
    """
    columns = columns_of(new)
    changes = {
        name: {"old": getattr(user, name), "new": columns[name]}
        for name in new
        if not _same(getattr(user, name), columns[name])
    }
    if "attributes" in changes:
        attributes.check(columns["attributes"])
    for name, value in columns.items():
        setattr(user, name, value)
    user.updated_at = now()
    return changes


def _same(old: Any, new: Any) -> bool:
    # To Python, true is 1; in attributes it is not.
    return bool(old == new) and json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)


def columns_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns for some values of the document: as typed, and as compared. Raises Invalid."""
    columns = dict(values)
    if "username" in values:
        columns["username_normal"] = values["username"] and username_normal(values["username"])
    if "email" in values:
        parts = email_normal(values["email"]) if values["email"] else EmailParts("", "")
        columns |= {"email_normal": parts.normal, "email_domain": parts.domain}
    if "phone" in values:
        columns["phone"] = values["phone"] and phone_normal(values["phone"])
    for name in ("first_name", "last_name"):
        if name in values:
            columns[f"{name}_normal"] = name_normal(values[name])
    return columns
