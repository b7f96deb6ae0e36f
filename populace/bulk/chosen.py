"""What is asked of many people at once: the action, and whom, by a list's filters or by ids."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from populace.audit.actors import Actor
from populace.groups.models import Group
from populace.users.counts import matching
from populace.users.documents import patch_values
from populace.users.errors import Invalid, Refused
from populace.users.lists import PARAMETERS, Listing, listing_of
from populace.users.models import User
from populace.users.querysets import READ, visible_to

IDS_MAX = 1_000

PERMISSIONS = {
    "activate": "users:write",
    "deactivate": "users:write",
    "update": "users:write",
    "erase": "users:write",
    "add_to_group": "groups:write",
    "remove_from_group": "groups:write",
}
"""Each action, and what whoever asks for it must hold besides the right to see people."""

GROUP_ACTIONS = ("add_to_group", "remove_from_group")

UPDATABLE = ("locale", "timezone", "attributes")
"""What many people may be given the same of: nothing that people are found by."""

FILTERS = tuple(name for name in PARAMETERS if name != "order")


@dataclass(frozen=True)
class Chosen:
    """What is asked for, checked; made by `chosen_of`. Either `filter` or `ids` is None."""

    action: str
    filter: Mapping[str, str] | None
    ids: Sequence[UUID] | None
    group: UUID | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    partial: bool = False

    @cached_property
    def listing(self) -> Listing:
        """Return the list that `filter` asks for. Raises Refused: the attribute schema may have changed."""
        return listing_of(self.filter or {})

    def people(self, by: Actor) -> QuerySet[User]:
        """Return the people whom it is about as of now, in no order."""
        if self.ids is not None:
            return visible_to(by).filter(pk__in=self.ids)
        if self.listing.identified:
            return visible_to(by).filter(pk__in=[json.loads(one)["id"] for one in self.listing.person()])
        return matching(by, self.listing.filters, self.listing.words)

    def stored(self) -> dict[str, Any]:
        """Return it as JSON, for a job's options: `chosen_of(**…)` makes the same of it."""
        return {
            "action": self.action,
            "filter": None if self.filter is None else dict(self.filter),
            "ids": None if self.ids is None else [str(one) for one in self.ids],
            "group": str(self.group) if self.group else None,
            "values": dict(self.values),
            "partial": self.partial,
        }


def chosen_of(
    action: Any = None,
    filter: Any = None,
    ids: Any = None,
    group: Any = None,
    values: Any = None,
    partial: Any = False,
) -> Chosen:
    """Return what is asked for. Raises Invalid, Refused about a value that is none."""
    if action not in PERMISSIONS:
        raise Invalid("invalid", f"One of {', '.join(PERMISSIONS)}.", "action")
    if not isinstance(partial, bool):
        raise Invalid("invalid", "Either true or false.", "partial")
    if (filter is None) == (ids is None):
        raise Invalid("required", "Either filter, which may be {}, or ids.", "filter")
    return Chosen(
        action,
        None if filter is None else _filter(filter),
        None if ids is None else _ids(ids),
        _group(action, group),
        _values(action, values),
        partial,
    )


def _filter(given: Any) -> dict[str, str]:
    if not isinstance(given, dict):
        raise Invalid("invalid", "Must be an object of a list's parameters.", "filter")
    filter: dict[str, str] = {}
    for name, value in given.items():
        if name not in FILTERS and not name.startswith("attributes."):
            raise Refused("unknown_parameter", f"filter/{name}", f"There is no such filter; there are {_named()}.")
        text = json.dumps(value) if isinstance(value, bool | int | float) else value
        if not isinstance(text, str) or "\0" in text:
            raise Invalid("invalid", "Must be text.", f"filter/{name[:200]}")
        filter[name] = text
    try:
        listing_of(filter)
    except Refused as refused:
        raise Refused(refused.code, f"filter/{refused.parameter}", str(refused.args[0])) from refused
    return filter


def _named() -> str:
    return ", ".join(f"{name}NAME" if name.endswith(".") else name for name in FILTERS)


def _ids(given: Any) -> list[UUID]:
    """Return the ids; what is given twice counts once, at its first place."""
    if not isinstance(given, list) or not given:
        raise Invalid("invalid", "Must be a list of ids.", "ids")
    if len(given) > IDS_MAX:
        raise Invalid("too_many", f"At most {IDS_MAX:,} ids; a filter takes any number of people.", "ids")
    return [_id(one, f"ids/{place}") for place, one in enumerate(given)]


def _id(given: Any, field: str) -> UUID:
    try:
        if not isinstance(given, str) or len(given) != 36:
            raise ValueError
        return UUID(given)
    except ValueError:
        raise Invalid("invalid", "Not an id.", field) from None


def _group(action: str, given: Any) -> UUID | None:
    if action not in GROUP_ACTIONS:
        if given is not None:
            raise Invalid("invalid", f"Goes with {' and '.join(GROUP_ACTIONS)} alone.", "group")
        return None
    if given is None:
        raise Invalid("required", "The id of the group.", "group")
    group = _id(given, "group")
    if not Group.objects.filter(pk=group, closed=False).exists():
        raise Invalid("not_found", "No group has this id.", "group")
    return group


def _values(action: str, given: Any) -> dict[str, Any]:
    if action != "update":
        if given:
            raise Invalid("invalid", "Goes with update alone.", "values")
        return {}
    if not isinstance(given, dict) or not given:
        raise Invalid("required", f"What everybody is given: {', '.join(UPDATABLE)}.", "values")
    if unknown := [name for name in given if name not in UPDATABLE]:
        detail = f"Many people are given the same of {', '.join(UPDATABLE)} alone."
        raise Invalid("invalid", detail, f"values/{unknown[0][:200]}")
    try:
        return patch_values(given)
    except Invalid as invalid:
        raise Invalid(invalid.code, invalid.detail, f"values/{invalid.field}") from None


def may(action: str, by: Actor) -> bool:
    """Tell whether somebody may ask for an action at all."""
    return READ in by.permissions and PERMISSIONS[action] in by.permissions
