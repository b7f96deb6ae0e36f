"""Every served list of people at its first, a middle and its last page, beside what plain SQL finds there."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import QuerySet

from bench.scale_pages import LIMIT, MOST, Asker, Check, Line, Place, Read, line
from bench.scale_people import Directory
from populace.infra.db.fields import NEVER
from populace.users.lists import Listing, listing_of
from populace.users.models import User
from populace.users.querysets import EQUAL, ORDERS, RANGES
from tests.support import lists
from tests.support.plans import Plan


def lines(asker: Asker, directory: Directory) -> Iterator[Line]:
    """Yield the table's lines for all of querysets.SERVED, but for the identifiers."""
    for parameters in lists.parameters(directory.values):
        listing = listing_of(parameters)
        for places in places_of(listing):
            yield line(asker, parameters, places, reading(listing), checking(listing))


def reading(listing: Listing) -> Read:
    """Return how a page of this list is read."""
    return lambda place: listing.read(place.key, backwards=place.backwards)


def checking(listing: Listing) -> Check:
    """Return what the plan of a page of this list must be."""

    def check(plan: Plan, place: Place, rows: int, *, generic: bool) -> None:
        lists.check(plan, listing, min(len(place.ids), rows), rows, generic=generic)

    return check


def people_of(listing: Listing) -> QuerySet[User]:
    """Return the people of a list, asked for in the plainest words."""
    people = User._base_manager.all()
    for name, value in listing.filters.items():
        if name in EQUAL:
            people = people.filter(**{EQUAL[name]: value})
        elif name == "group":
            people = people.filter(memberships__group_id=value)
        else:
            column = ORDERS[RANGES[name]]
            people = people.filter(**{f"{column}__{'gt' if name.endswith('_after') else 'lt'}": value})
            people = people.filter(**{f"{column}__gt": NEVER})
    sign = "-" if listing.descending else ""
    names = dict.fromkeys((lists.column_of(listing), "id"))
    return people.order_by(*(sign + name for name in names))


def places_of(listing: Listing) -> Iterator[list[Place]]:
    """Yield, for the first, a middle and the last page, the page behind a row and the one before it."""
    people = people_of(listing)
    count = people.count()
    assert count, f"nobody to list by {listing.filters}"
    starts: Mapping[str, int] = {"first": 0, "middle": count // 2, "last": max(count - LIMIT // 2, 0)}
    for name, at in starts.items():
        begin = max(at - MOST, 0)
        column = lists.column_of(listing)
        around: Any = people.values_list("id", column)[begin : at + MOST]
        rows = [(lists.key_of(listing, value, id), str(id)) for id, value in around]
        before, behind = rows[: at - begin], rows[at - begin :]
        forwards = Place(name, before[-1][0] if before else (), [id for _, id in behind])
        backwards = Place(name, behind[0][0], [id for _, id in before[::-1]], backwards=True)
        yield [forwards, backwards]
