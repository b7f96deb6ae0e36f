"""What our own exports hold that no other file does: fields that nobody sets, and JSON in a cell."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from populace.users.errors import Invalid

SHOWN = ("id", "date_joined", "updated_at", "last_login", "version")
"""What a document shows and an import cannot set: it stays behind."""

LEFT_OUT = "read_only_not_imported"


def left_out(names: Collection[str]) -> frozenset[str]:
    """Return by which name the summary counts what stays behind, if there is any."""
    return frozenset({LEFT_OUT} if any(name in SHOWN for name in names) else ())


def json_cell[T: (dict[str, Any], list[Any])](
    given: Mapping[str, str], column: str, kind: type[T], faults: list[Invalid]
) -> T:
    """Return the object or list that a cell holds; an empty one where there is none, or a fault."""
    if column not in given:
        return kind()
    try:
        found = json.loads(given[column])
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, kind):
        return found
    faults.append(Invalid("invalid", f"Must be {'an object' if kind is dict else 'a list'} in JSON.", column))
    return kind()
