"""What the formats have in common: names of columns, and what an error file adds to a row."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from populace.credentials.foreign import adopted
from populace.users.errors import Invalid
from populace.users.identifiers import phone_normal

IDENTIFIERS = ("email", "username", "phone", "external_id")
TEXTS = (*IDENTIFIERS, "first_name", "last_name", "locale", "timezone", "kind")
FLAGS = ("is_active", "email_verified")
TOLD = ("row", "code", "reason")
"""What an error file adds to the row as it was sent; passed over when the mended file comes back."""

OTHERS = "other_fields_not_imported"
"""Counts the people of whom a file says what no format of ours knows."""

_uuid = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE).fullmatch

NEITHER = "Neither true nor false."


def left_out(sent: Mapping[str, Any], known: Collection[str], names: Mapping[str, str]) -> set[str]:
    """Return by which names the summary counts what somebody has beside what is `known`; "" in `names`: by none."""
    beside = {
        names.get(name, OTHERS) for name, value in sent.items() if value and name not in known and name not in TOLD
    }
    return beside - {""}


def is_uuid(text: str) -> bool:
    """Tell whether it is a UUID as systems write theirs."""
    return _uuid(text) is not None


def is_phone(value: Any) -> bool:
    """Tell whether it can be somebody's phone number here."""
    try:
        return isinstance(value, str) and bool(phone_normal(value))
    except Invalid:
        return False


def hash_of(read: Callable[..., str], faults: list[Invalid], *given: Any) -> str:
    """Return what is stored for the hash that `read` makes of a system's credential, "" where it is a fault."""
    try:
        return adopted(read(*given))
    except Invalid as refused:
        faults.append(refused)
        return ""


def flag(value: Any, name: str, faults: list[Invalid]) -> bool | None:
    """Return true, false, or None for what is not said; anything else is a fault."""
    if value is None or isinstance(value, bool):
        return value
    faults.append(Invalid("invalid", NEITHER, name))
    return None


def secret(value: Any, name: str, faults: list[Invalid]) -> str:
    """Return a text, "" for none; anything else is a fault."""
    if value is None or isinstance(value, str):
        return value or ""
    faults.append(Invalid("invalid", "Must be text.", name))
    return ""


def stored_hash(raw: str, faults: list[Invalid]) -> str:
    """Return a hash of another system as it is stored here, "" for none; one that cannot be taken is a fault."""
    if not raw:
        return ""
    try:
        return adopted(raw)
    except Invalid as refused:
        faults.append(refused)
        return ""
