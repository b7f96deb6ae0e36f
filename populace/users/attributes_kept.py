"""The stored schema as a process knows it: read at most once a second, compiled when its version is another one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from time import monotonic
from typing import Any

from populace.users.attributes_check import Compiled
from populace.users.attributes_schema import indexed
from populace.users.models import AttributeSchema

KEPT_S = 1.0
"""Seconds that a schema is kept: what another process stores counts here after that."""


@dataclass(frozen=True)
class Current:
    """The schema of the attributes and the state of its indexes."""

    version: int = 0
    text: str = "{}"
    schema: Mapping[str, Any] = field(default_factory=dict)
    compiled: Compiled | None = None  # None: everything is allowed
    indexed: Mapping[str, str] = field(default_factory=dict)  # name: type
    filled: frozenset[str] = frozenset()  # those of them whose values are all there


NONE = Current()

_lock = Lock()
_kept, _until = NONE, 0.0


def current() -> Current:
    """Return the stored schema, at most KEPT_S old; NONE where none was ever stored."""
    global _kept, _until
    if monotonic() < _until:
        return _kept
    with _lock:  # of many threads one asks
        if monotonic() >= _until:
            _kept = _read(_kept)
            _until = monotonic() + KEPT_S
        return _kept


def forget() -> None:
    """Let the next question be asked of the database: this process has stored another one."""
    global _until
    _until = 0.0


def _read(known: Current) -> Current:
    row = AttributeSchema.objects.order_by("-version").first()
    if row is None:
        return NONE
    filled = frozenset(row.filled)
    if (row.version, row.schema) == (known.version, known.text):
        return replace(known, filled=filled)
    schema = json.loads(row.schema)
    return Current(row.version, row.schema, schema, Compiled(schema), indexed(schema), filled)
