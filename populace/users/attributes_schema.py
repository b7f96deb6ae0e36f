"""What an operator may say about the attributes of people: JSON Schema 2020-12, as far as its cost is bounded.

Nothing is ever fetched: there are no references at all, so that a check costs at most the schema times the value.
A keyword that we do not know is refused, too: ignored, a misspelt rule would be no rule.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from populace.users.errors import Invalid

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SIZE_MAX = 32 << 10  # bytes of compact JSON
DEPTH_MAX = 16  # schemas in one another
INDEXED_MAX = 20  # properties: each is one more row to write for every person who has it
PATTERNS_MAX = 50
FAULTS_MAX = 20  # told of one value: the answer stays small
NAME_MAX = 64  # characters of the name of an indexed property

ONE = {"additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"} | {
    "unevaluatedItems",
    "unevaluatedProperties",
}
MANY = {"allOf", "anyOf", "oneOf", "prefixItems"}
NAMED = {"dependentSchemas", "patternProperties", "properties"}
RULES = {
    *("const", "dependentRequired", "enum", "exclusiveMaximum", "exclusiveMinimum", "format", "maxContains"),
    *("maxItems", "maxLength", "maxProperties", "maximum", "minContains", "minItems", "minLength", "minProperties"),
    *("minimum", "multipleOf", "pattern", "required", "type", "uniqueItems"),
}
WORDS = {"$comment", "$schema", "default", "deprecated", "description", "examples", "readOnly", "title", "writeOnly"}
"""Keywords that check nothing."""

KNOWN = ONE | MANY | NAMED | RULES | WORDS
# Tuples: whether something that cannot be hashed is in them can be asked.
FORMATS = ("date", "date-time", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid")
INDEXABLE = ("boolean", "integer", "number", "string")
INDEXED_NAME = re.compile(r"[\w.-]+")

type Path = tuple[str | int, ...]


def joined(faults: list[Invalid]) -> Invalid:
    """Return the first fault, which tells of the others."""
    faults[0].more = faults[1:]
    return faults[0]


def pointer(path: Iterable[str | int]) -> str:
    """Return a JSON pointer (RFC 6901) without its first slash; long names are cut."""
    return "/".join(str(part)[:200].replace("~", "~0").replace("/", "~1") for part in path)


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raise Invalid where the schema says what we do not serve; the fault's field is its place in the schema.

    Whether it is a schema at all, attributes_check.Compiled tells.
    """
    if len(json.dumps(schema, ensure_ascii=False, separators=(",", ":")).encode()) > SIZE_MAX:
        raise Invalid("max_length", f"At most {SIZE_MAX} bytes of JSON.")
    faults, patterns = [], 0
    for path, one in _schemas((), schema):
        named = one.get("patternProperties")
        patterns += ("pattern" in one) + (len(named) if isinstance(named, Mapping) else 0)
        faults += list(_wrong(path, one))
    if patterns > PATTERNS_MAX:
        faults.append(Invalid("invalid", f"At most {PATTERNS_MAX} patterns."))
    if not faults and len(indexed(schema)) > INDEXED_MAX:
        faults.append(Invalid("invalid", f"At most {INDEXED_MAX} indexed properties.", "properties"))
    if faults:
        raise joined(faults[:FAULTS_MAX])


def _schemas(path: Path, schema: Any) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield every schema that is an object, with its path; what stands where a schema should is the library's to tell.

    Raises Invalid below DEPTH_MAX.
    """
    level: list[tuple[Path, Any]] = [(path, schema)]
    for _ in range(DEPTH_MAX):
        objects = [(at, one) for at, one in level if isinstance(one, Mapping)]
        yield from objects
        level = [found for at, one in objects for found in below(at, one)]
    if level:
        raise Invalid("invalid", f"At most {DEPTH_MAX} schemas in one another.", pointer(level[0][0]))


def below(path: Path, schema: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Yield what stands where a schema has schemas, each with its path."""
    for keyword, value in schema.items():
        if keyword in ONE:
            yield (*path, keyword), value
        elif keyword in MANY and isinstance(value, list):
            yield from (((*path, keyword, number), one) for number, one in enumerate(value))
        elif keyword in NAMED and isinstance(value, Mapping):
            yield from (((*path, keyword, name), one) for name, one in value.items())


def _wrong(path: Path, schema: Mapping[str, Any]) -> Iterator[Invalid]:
    """Yield what we do not serve of one schema."""
    for keyword, value in schema.items():
        at = pointer((*path, keyword))
        if keyword == "indexed":
            yield from _wrong_index(path, schema)
        elif keyword not in KNOWN:
            yield Invalid("unknown_field", "This keyword is not served.", at)
        elif keyword == "$schema" and value != DIALECT:
            yield Invalid("invalid", f"Only {DIALECT}.", at)
        elif keyword == "format" and value not in FORMATS:
            yield Invalid("invalid", f"One of {', '.join(FORMATS)}.", at)
    if not path and schema.get("type", "object") != "object":
        yield Invalid("invalid", "Attributes are an object.", "type")


def _wrong_index(path: Path, schema: Mapping[str, Any]) -> Iterator[Invalid]:
    at = pointer((*path, "indexed"))
    if not isinstance(schema["indexed"], bool):
        yield Invalid("invalid", "Either true or false.", at)
    elif len(path) != 2 or path[0] != "properties":
        yield Invalid("invalid", "Only direct properties of the attributes are indexed.", at)
    elif schema["indexed"] and schema.get("type") not in INDEXABLE:
        yield Invalid("invalid", f"What is indexed has one type: {', '.join(INDEXABLE)}.", at)
    elif schema["indexed"] and (len(str(path[1])) > NAME_MAX or not INDEXED_NAME.fullmatch(str(path[1]))):
        yield Invalid("invalid", f"The name has at most {NAME_MAX} letters, digits and _ . - to be indexed.", at)


def indexed(schema: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of the indexed properties, each with its type."""
    properties = schema.get("properties")
    found = properties.items() if isinstance(properties, Mapping) else ()
    return {name: one["type"] for name, one in found if isinstance(one, Mapping) and one.get("indexed") is True}
