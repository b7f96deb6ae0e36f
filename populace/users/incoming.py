"""People on their way in: their columns and keys before there is any row, and a short way to these for plain values.

Most rows of a large file hold nothing that needs a second look. What documents.NEW and rows.draft make of such values
is told here in some microseconds instead of a millisecond; for all others `plain` returns None.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.utils.timezone import now

from populace.infra.db.ids import new_id
from populace.users.attributes import SIZE_MAX
from populace.users.errors import Invalid
from populace.users.identifiers import (
    CONFUSABLE,
    EMAIL_LOCAL_MAX,
    EMAIL_MAX,
    RESERVED,
    email_normal,
    external_id,
    key_of,
    name_normal,
    phone_normal,
)
from populace.users.models import User
from populace.users.profile import TEXT_MAX, line, locale, timezone
from populace.users.rows import PROFILE_COLUMNS

# No e-mail, phone number or UUID (32 digits), and no letter that looks like anything else.
_username = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,30}").fullmatch
_email = re.compile(r"([A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*)@([A-Za-z0-9.-]+)").fullmatch

_locale = lru_cache(1024)(locale)

COLUMNS = (
    *("kind", *(name for name in PROFILE_COLUMNS if name != "updated_at")),
    *("is_active", "password"),
)
"""The columns in which people differ who are made at one time."""


@dataclass(slots=True)
class Newcomer:
    """Somebody who is not stored yet: some of COLUMNS, the others as in anybody new; and what they claim, by kind."""

    columns: dict[str, Any]
    keys: dict[str, str]
    id: UUID = field(default_factory=new_id)

    def user(self) -> User:
        """Return the unsaved row."""
        at = now()
        return User(id=self.id, date_joined=at, updated_at=at, **self.columns)


class Plain(NamedTuple):
    """What `plain` makes of values: as documents.NEW returns them, as columns, and the keys of Identifier by kind."""

    values: dict[str, Any]
    columns: dict[str, Any]
    keys: dict[str, str]


def plain(given: Mapping[str, Any]) -> Plain | None:
    """Return what the values of a new person become; None where only the long way can tell, or tell what is wrong."""
    found = Plain(dict(given), {"attributes": {}}, {})
    try:
        for name, value in given.items():
            _TAKE[name](name, value, found)
    except (Invalid, AttributeError, KeyError, TypeError, ValueError):
        return None
    return found if found.keys else None


def _take_username(name: str, value: str, found: Plain) -> None:
    normal = value.lower()
    if not _username(value) or normal in RESERVED:
        raise ValueError
    found.columns["username"], found.columns["username_normal"] = value, normal
    found.keys["username"], found.keys[CONFUSABLE] = key_of("username", normal), key_of(CONFUSABLE, normal)


def _take_email(name: str, value: str, found: Plain) -> None:
    parts = _email(value)
    if parts is None or len(parts[1]) > EMAIL_LOCAL_MAX or len(value) > EMAIL_MAX:
        raise ValueError
    domain = _domain(parts[2])
    normal = f"{parts[1].lower()}@{domain}"
    if len(normal) > EMAIL_MAX:
        raise ValueError
    columns = found.columns
    columns["email"], columns["email_normal"], columns["email_domain"] = value, normal, domain
    found.keys["email"] = key_of("email", normal)


@lru_cache(4096)
def _domain(raw: str) -> str:
    return email_normal(f"a@{raw}").domain


def _take_phone(name: str, value: str, found: Plain) -> None:
    number = phone_normal(value)
    found.values["phone"] = found.columns["phone"] = number
    found.keys["phone"] = key_of("phone", number)


def _take_external_id(name: str, value: str, found: Plain) -> None:
    if not value:
        raise ValueError
    found.columns["external_id"] = external_id(value)
    found.keys["external_id"] = key_of("external_id", value)


def _take_name(name: str, value: str, found: Plain) -> None:
    if len(value) > TEXT_MAX:
        raise ValueError
    found.columns[name] = line(value)
    found.columns[f"{name}_normal"] = value.lower() if value.isascii() else name_normal(value)


def _take_locale(name: str, value: str, found: Plain) -> None:
    if len(value) > 35:
        raise ValueError
    found.columns[name] = _locale(value)


def _take_timezone(name: str, value: str, found: Plain) -> None:
    found.columns[name] = timezone(value)


def _take_kind(name: str, value: str, found: Plain) -> None:
    if value not in (User.PERSON, User.SERVICE):
        raise ValueError
    found.columns[name] = value


def _take_attributes(name: str, value: Any, found: Plain) -> None:
    """Take texts by name."""
    if type(value) is not dict or not all(type(text) is str for text in value.values()):
        raise ValueError
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if "\\u0000" in text or len(text.encode()) > SIZE_MAX:
        raise ValueError
    found.columns[name] = value


_TAKE: dict[str, Callable[[str, Any, Plain], None]] = {
    "username": _take_username,
    "email": _take_email,
    "phone": _take_phone,
    "external_id": _take_external_id,
    "first_name": _take_name,
    "last_name": _take_name,
    "locale": _take_locale,
    "timezone": _take_timezone,
    "kind": _take_kind,
    "attributes": _take_attributes,
}
