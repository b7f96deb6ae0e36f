"""The lists that may be exported: who may, what each may be asked for, and how it is walked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from populace.audit import lists as logs
from populace.audit.actors import Actor
from populace.audit.documents import EVENT_FIELDS, EventDocument
from populace.audit.models import Event, Feed
from populace.audit.reads import narrowed, unnarrowed
from populace.bulk import walks
from populace.bulk.walks import Step, Walk
from populace.groups.documents import GROUP_FIELDS, GroupDocument
from populace.groups.models import Group
from populace.groups.reads import by_name
from populace.infra.db.cells import shown
from populace.infra.db.compiled import Compiled
from populace.users.counts import CAP, count
from populace.users.documents import USER_FIELDS
from populace.users.errors import Refused
from populace.users.event_filters import EVENT_FILTERS, events_listed
from populace.users.lists import PARAMETERS, Listing, listing_of
from populace.users.pages import Key
from populace.users.querysets import READ


class Steps(Protocol):
    """A walk through a list."""

    def step(self, key: Key) -> Step:
        """Return what lies behind `key`; () is before all."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A kind of list."""

    called: str
    """What its file and its sheet are named."""
    permission: str
    fields: Sequence[str]
    filters: Sequence[str]
    """Names of its filters; one that ends with a point stands for all names that begin so."""
    listing: Callable[[Mapping[str, str]], Any]
    """Return the list that filters and `order` ask for; raises Refused."""
    walk: Callable[[Any, Sequence[str], bool], Steps]
    """Return the walk through a list, each row with these fields as CSV (True) or as JSON."""
    expected: Callable[[Any, Actor], int | None]
    """Return about how many rows a list has, where that is known at once."""

    def takes(self, name: str) -> bool:
        """Tell whether there is a filter of this name."""
        return name in self.filters or any(name.startswith(one) for one in self.filters if one.endswith("."))


class Rows:
    """A list whose statement gives (line, *key, …) for a place; of `width` columns the key."""

    def __init__(self, statement: Compiled, behind: Callable[[Key], dict[str, Any]], width: int) -> None:
        self._statement, self._behind, self._width = statement, behind, width

    def step(self, key: Key) -> Step:
        """Return what lies behind `key`. Rows without a line are gone; one that ends with true has ended a search."""
        rows = self._statement.result(self._behind(key), walks.STEP)
        lines = [row[0] for row in rows if row[0] is not None]
        cut_off = bool(rows) and len(rows[-1]) > self._width + 1 and rows[-1][-1] == b"t"
        more = len(rows) == walks.STEP or cut_off
        return Step(lines, walks.key_of(rows[-1][1 : self._width + 1]) if more else None)


def _people_walked(listing: Listing, names: Sequence[str], csv: bool) -> Steps:
    return Walk.of_fields(listing, names, csv=csv)


def _people_expected(listing: Listing, by: Actor) -> int:
    return 1 if listing.identified else count("estimate", by, listing.filters, listing.words)


def _groups_listed(parameters: Mapping[str, str]) -> None:
    _in_its_order(parameters, "Groups come by name.")


def _groups_walked(listing: None, names: Sequence[str], csv: bool) -> Steps:
    statement = by_name(shown(GroupDocument(), Group, names, csv=csv), (walks.STEP,))
    return Rows(statement, lambda key: {"name": key[0] if key else ""}, 1)


def _groups_expected(listing: None, by: Actor) -> int:
    return Group.objects.filter(closed=False)[:CAP].count()


def _events_listed(parameters: Mapping[str, str]) -> logs.Listing:
    _in_its_order(parameters, "Events come newest first.")
    return events_listed(parameters)


def _events_walked(listing: logs.Listing, names: Sequence[str], csv: bool) -> Steps:
    line, rows = shown(EventDocument(), Event, names, csv=csv), (walks.STEP,)
    if listing.filters:
        return Rows(narrowed(listing.filters, line, rows), listing.behind, 2)
    return Rows(unnarrowed(line, rows), listing.behind, 1)


def _events_expected(listing: logs.Listing, by: Actor) -> int | None:
    if listing.filters:
        return None
    ends = [Feed.objects.order_by(order).values_list("seq", flat=True).first() for order in ("-seq", "seq")]
    return ends[0] - ends[1] + 1 if ends[0] is not None and ends[1] is not None else 0


def _in_its_order(parameters: Mapping[str, str], says: str) -> None:
    if "order" in parameters:
        raise Refused("order_not_served", "order", says)


EXPORTED = {
    "users": Exported(
        "people",
        READ,
        USER_FIELDS,
        tuple(name for name in PARAMETERS if name != "order"),
        listing_of,
        _people_walked,
        _people_expected,
    ),
    "groups": Exported("groups", "groups:read", GROUP_FIELDS, (), _groups_listed, _groups_walked, _groups_expected),
    "events": Exported(
        "events", "events:read", EVENT_FIELDS, tuple(EVENT_FILTERS), _events_listed, _events_walked, _events_expected
    ),
}
"""By the last word of each list's path."""


def exported_of(options: Mapping[str, Any]) -> Exported:
    """Return the kind of list that an export is of; of options from before there were several, people."""
    return EXPORTED[options.get("list", "users")]
