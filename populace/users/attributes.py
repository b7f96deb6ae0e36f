"""The free attributes of a person: one JSON object, small enough to travel with every document."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from populace.users import attributes_kept
from populace.users.errors import Invalid

SIZE_MAX = 16 << 10  # bytes of compact JSON in UTF-8
DEPTH_MAX = 32  # objects and arrays in one another


def checked(value: Any) -> dict[str, Any]:
    """Return `value`, an object that every engine can store and give back; raises Invalid.

    A whole number comes back without a fraction (1.0 as 1, -0.0 as 0): engines and clients write it either way.
    """
    if not isinstance(value, dict):
        raise Invalid("invalid", "Must be an object.", "attributes")
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:  # UnicodeEncodeError, of a lone surrogate, is a ValueError
        raise Invalid("invalid", "Must be plain JSON.", "attributes") from error
    if size > SIZE_MAX:
        raise Invalid("max_length", f"At most {SIZE_MAX} bytes of JSON.", "attributes")
    fractions = False
    for leaf in _leaves(value):
        # PostgreSQL's jsonb cannot hold U+0000, and writes a number out in full: 1e300 takes 301 bytes.
        if isinstance(leaf, str) and "\0" in leaf:
            raise Invalid("invalid", "May not hold U+0000.", "attributes")
        if isinstance(leaf, int | float) and not _is_portable(leaf):
            raise Invalid("invalid", "A number is too large or too small.", "attributes")
        fractions = fractions or isinstance(leaf, float)
    return json.loads(text, parse_float=shortest) if fractions else value


def check(attributes: Mapping[str, Any]) -> None:
    """Raise Invalid with every fault of a person's whole attributes, unless the stored schema allows them.

    Each fault names its place: `attributes/department`. For verbs, behind `checked`: once for whoever is made, and
    whenever attributes change. What is already so stays until then, whatever the schema has become.
    """
    if schema := attributes_kept.current().compiled:
        schema.check(attributes, "attributes")


def _is_portable(number: float) -> bool:
    """Tell whether every engine gives the number back as it came (RFC 8259 section 6)."""
    if isinstance(number, int):
        return -(1 << 63) <= number < 1 << 63
    return number == 0 or 1e-15 <= abs(number) < 1 << 53


def shortest(text: str) -> float:
    """Return a number, whole where it has no fraction."""
    number = float(text)
    return int(number) if number.is_integer() else number


def _leaves(value: dict[str, Any]) -> Iterator[str | float]:
    """Yield every key, string and number, level by level; raises Invalid below DEPTH_MAX."""
    level: list[Any] = [value]
    for _ in range(DEPTH_MAX + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, str | int | float):
                yield item
            elif isinstance(item, dict):
                yield from item
                below += item.values()
            elif isinstance(item, list | tuple):
                below += item
        level = below
    if level:
        raise Invalid("invalid", f"At most {DEPTH_MAX} levels.", "attributes")


def merged(old: Mapping[str, Any], patch: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return `old` with a merge patch applied (RFC 7396 section 2); None for the patch empties it. Raises Invalid."""
    return checked({} if patch is None else _merge(old, patch))


def _merge(old: Any, patch: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(old) if isinstance(old, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merge(result.get(name), value) if isinstance(value, Mapping) else value
    return result
