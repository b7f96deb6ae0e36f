"""What may be asked of a list: each filter's value as it is compared, and whether a person passes it."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from populace.users import attributes_kept
from populace.users.attributes import shortest
from populace.users.attributes_index import text_of
from populace.users.errors import Invalid, Refused
from populace.users.identifiers import email_normal
from populace.users.querysets import ATTRIBUTE, ATTRIBUTES, EQUAL, IDENTIFIERS, RANGES

type Filters = Mapping[str, Any]

_time = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d))?", re.ASCII)


def boolean(raw: str) -> bool:
    """Return true or false, written so."""
    if raw not in ("true", "false"):
        raise Invalid("invalid", "Either true or false.")
    return raw == "true"


def moment(raw: str) -> datetime:
    """Return a time (RFC 3339, its offset stated) or the first moment of a day in UTC; raises Invalid."""
    raw = raw.replace(" ", "+")  # what a + in a query means, unless it is escaped
    try:
        if not _time.fullmatch(raw):
            raise ValueError
        found = datetime.fromisoformat(raw)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        if not 1000 < found.year < 9999:
            raise ValueError
    except (ValueError, OverflowError) as error:
        raise Invalid("invalid", "A time such as 2026-01-31T12:00:00Z, or a day.") from error
    return found


def uuid(raw: str) -> UUID:
    """Return an id; raises Invalid."""
    try:
        if len(raw) != 36:
            raise ValueError
        return UUID(raw)
    except ValueError as error:
        raise Invalid("invalid", "Not an id.") from error


def domain(raw: str) -> str:
    """Return an e-mail domain as it is compared; raises Invalid."""
    try:
        return email_normal(f"a@{raw}").domain
    except Invalid as error:
        raise Invalid("invalid", "Not a domain.") from error


def text(raw: str) -> str:
    """Return what identifies one person; whether it could, the look-up tells."""
    if not raw:
        raise Invalid("invalid", "Must not be empty.")
    return raw


class Wanted(NamedTuple):
    """An indexed attribute and the text of the value that is asked for."""

    name: str
    text: str


def wanted(parameter: str, raw: str) -> Wanted:
    """Return the attribute that a parameter `attributes.NAME` asks for; raises Refused."""
    known, name = attributes_kept.current(), parameter.removeprefix(ATTRIBUTES)
    if name not in known.indexed:
        served = ", ".join(sorted(known.indexed)) or "none"
        raise Refused("not_indexed", parameter, f"The schema declares it not indexed; those that are: {served}.")
    if name not in known.filled:
        raise Refused("not_indexed", parameter, "The index of this attribute is being built: try again later.")
    try:
        value = raw if known.indexed[name] == "string" else _scalar(raw)
    except ValueError as error:
        raise Refused("invalid", parameter, f"Not a value of the type {known.indexed[name]}.") from error
    return Wanted(name, text_of(value) or "")


def _scalar(raw: str) -> bool | float:
    """Return the number or boolean that this is in JSON, as attributes keep it; raises ValueError."""
    if not isinstance(value := json.loads(raw, parse_float=shortest), bool | int | float):
        raise ValueError
    return value


PARSED: dict[str, Callable[[str], Any]] = {
    "domain": domain,
    "group": uuid,
    "is_active": boolean,
    **dict.fromkeys(IDENTIFIERS, text),
    **dict.fromkeys(RANGES, moment),
}


def filters_of(parameters: Mapping[str, str]) -> Filters:
    """Return the filters among these parameters with their values; raises Refused about the first that has none."""
    filters: dict[str, Any] = {}
    for name, raw in parameters.items():
        if name.startswith(ATTRIBUTES):
            if ATTRIBUTE in filters:
                raise Refused("order_not_served", name, "Served with one attribute at a time: id, -id.")
            filters[ATTRIBUTE] = wanted(name, raw)
        elif name in PARSED:
            try:
                filters[name] = PARSED[name](raw)
            except Invalid as error:
                raise Refused("invalid", name, error.detail) from error
    return filters


def passes(document: bytes, filters: Filters) -> bool:
    """Tell whether the person of this document passes the filters; for one that is already found, by an identifier."""
    person = json.loads(document)
    return all(_passes(person, name, value) for name, value in filters.items() if name not in IDENTIFIERS)


def _passes(person: Mapping[str, Any], name: str, value: Any) -> bool:
    if name == ATTRIBUTE:
        return bool(text_of(person["attributes"].get(value.name)) == value.text)
    if name == "group":
        return str(value) in [group["id"] for group in person["groups"]]
    if name == "domain":
        return bool(person["email"]) and email_normal(person["email"]).domain == value
    if name in EQUAL:
        return bool(person[name] == value)
    held = person[RANGES[name]]
    if held is None:
        return False
    at = datetime.fromisoformat(held)
    return bool(at > value if name.endswith("_after") else at < value)
