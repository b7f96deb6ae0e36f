"""A schema that attributes can be checked against.

Patterns run on an engine without backtracking, in time linear in the text; what needs backtracking, look-around and
back-references, is no pattern.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import jsonschema_rs

from populace.users.attributes_schema import FAULTS_MAX, below, joined, pointer
from populace.users.errors import Invalid

PATTERN_BYTES = 256 << 10  # compiled size of one pattern; `^.{1,100}$` takes half of it

PARTS_MAX = 2000
"""Parts of a schema that meet parts of a value where each fault is told: the library makes some 30 us of each."""

TOLD = {
    *("const", "enum", "exclusiveMaximum", "exclusiveMinimum", "format", "maxItems", "maxLength", "maxProperties"),
    *("maximum", "minItems", "minLength", "minProperties", "minimum", "multipleOf", "pattern", "type"),
}
"""Keywords whose refusal in the library's words repeats nothing of the value."""

OF_ITEMS = {"contains", "items", "unevaluatedItems"}
OF_MEMBERS = {"additionalProperties", "patternProperties", "propertyNames", "unevaluatedProperties"}
LISTED = {"const", "dependentRequired", "enum", "required"}
"""Keywords whose values the library copies into every fault."""


class Compiled:
    """A schema that can be asked."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Compile; raises Invalid at the first place where the specification does not allow what stands there."""
        self._schema = _stripped(schema)
        patterns = jsonschema_rs.RegexOptions(size_limit=PATTERN_BYTES, dfa_size_limit=PATTERN_BYTES)
        try:
            # offline: should a reference ever pass check_schema, it is still not followed.
            self._validator = jsonschema_rs.Draft202012Validator(
                self._schema, pattern_options=patterns, validate_formats=True, offline=True, mask="The value"
            )
        except jsonschema_rs.ValidationError as error:
            raise Invalid("invalid", "Not a valid schema.", pointer(error.instance_path)) from error

    def check(self, value: Mapping[str, Any], field: str) -> None:
        """Raise Invalid with every fault of the value (FAULTS_MAX), which stands in `field`.

        Whether there is one costs microseconds. Where, the library tells only along with all others and their causes:
        beyond PARTS_MAX that could take minutes, so the refusal is of the whole.
        """
        if self._validator.is_valid(value):
            return
        if len(list(islice(_parts(self._schema, value), PARTS_MAX + 1))) > PARTS_MAX:
            raise Invalid("invalid", "The schema does not allow it; it is too large to say where.", field)
        errors = self._validator.iter_errors(value)
        raise joined(list(islice((fault for error in errors for fault in _faults(error, field)), FAULTS_MAX)))


def _faults(error: jsonschema_rs.ValidationError, field: str) -> Iterator[Invalid]:
    kind: Any = error.kind
    path = (field, *error.instance_path)
    if kind.name == "required":
        yield Invalid("required", "The schema requires this.", pointer((*path, kind.property)))
    elif kind.name in ("additionalProperties", "unevaluatedProperties"):
        for name in kind.unexpected:
            yield Invalid("unknown_field", "The schema knows no such property.", pointer((*path, name)))
    else:
        detail = f"{error.message[:200]}." if kind.name in TOLD else f'The schema\'s "{kind.name}" does not allow it.'
        yield Invalid("invalid", detail, pointer(path))


def _parts(schema: Any, value: Any) -> Iterator[None]:
    """Yield once for each part of a schema that is held against a part of the value, or is looked at for one."""
    yield None
    if not isinstance(schema, Mapping):
        return
    for keyword in LISTED & schema.keys():
        yield from (None for _ in range(len(str(schema[keyword])) // 20))
    for path, one in below((), schema):
        yield None
        for part in _met(value, *path):
            yield from _parts(one, part)


def _met(value: Any, keyword: Any, name: Any = None) -> list[Any]:
    """Return the parts of a value that a keyword's schema is for; rather too many than too few."""
    if keyword == "properties":
        return [value[name]] if isinstance(value, dict) and name in value else []
    if keyword in OF_MEMBERS:
        return list(value.values()) if isinstance(value, dict) else []
    if keyword in OF_ITEMS or keyword == "prefixItems":
        return value if isinstance(value, list) else []
    return [value]


def _stripped(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema without our own keyword on its properties."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return dict(schema)
    bare = {
        name: {key: value for key, value in one.items() if key != "indexed"} if isinstance(one, Mapping) else one
        for name, one in properties.items()
    }
    return {**schema, "properties": bare}
