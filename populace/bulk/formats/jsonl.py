"""Our own JSON Lines: each the writable part of a user document, and what else an operator may say of a person."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from populace.bulk.formats import exported, lines
from populace.bulk.formats.fields import FLAGS, TEXTS, TOLD, flag, secret, stored_hash
from populace.bulk.rows import NO_OPTIONS, Options, Row
from populace.users.errors import Invalid

APART = (*TOLD, *FLAGS, "password", "password_hash", "groups")
"""Members that are no values of the user document, or that only an operator may set."""

MAPPING = {name: name for name in (*TEXTS, "attributes", *APART) if name not in TOLD}


def rows(path: Path, options: Options = NO_OPTIONS) -> Iterator[Row]:
    """Yield the person of each line."""
    return lines.rows(path, _row, "an object of a person's values")


def _row(number: int, behind: float, sent: dict[str, Any]) -> Row:
    faults: list[Invalid] = []
    return Row(
        number=number,
        behind=behind,
        sent=sent,
        # Names that there are not, or that nobody may write, are refused by the document itself.
        values={name: value for name, value in sent.items() if name not in (*APART, *exported.SHOWN)},
        is_active=flag(sent.get("is_active"), "is_active", faults),
        email_verified=flag(sent.get("email_verified"), "email_verified", faults),
        password=secret(sent.get("password"), "password", faults),
        password_hash=stored_hash(secret(sent.get("password_hash"), "password_hash", faults), faults),
        groups=group_names(sent.get("groups"), faults),
        left_out=exported.left_out(sent),
        faults=tuple(faults),
    )


def group_names(given: Any, faults: list[Invalid]) -> tuple[str, ...]:
    """Return names; groups come as names, or as documents show them."""
    items = [] if given is None else given if isinstance(given, list) else [None]
    found = [item.get("name") if isinstance(item, dict) else item for item in items]
    names = [name for name in found if isinstance(name, str)]
    if len(names) < len(found):
        faults.append(Invalid("invalid", "Must be a list of names.", "groups"))
    return tuple(names)
