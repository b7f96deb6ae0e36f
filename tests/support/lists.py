"""Every list of people that is served, and what its plan must be; for many thousand people and for a million."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from populace.users.lists import Listing, listing_of
from populace.users.querysets import ATTRIBUTE, IDENTIFIERS, ORDERS, SERVED
from tests.support.plans import ANY_TABLE, Plan

INDEXES = {
    (): {
        "date_joined": "user_joined",
        "email": "user_email",
        "username": "user_username",
        "last_name": "user_last_name",
        "last_login": "user_signed_in",
        "updated_at": "user_updated",
    },
    ("is_active",): {"date_joined": "user_active"},
    ("domain",): {"date_joined": "user_domain"},
    ("domain", "is_active"): {"date_joined": "user_domain_active"},
    ("group",): {"id": "membership_group"},
}
"""The filters that are held constant, then the order: the index that is walked."""

TABLES = {"users_user", "groups_membership", "users_identifier"}


def parameters(values: Mapping[str, Sequence[str]]) -> Iterator[dict[str, str]]:
    """Yield every served combination of filters and order, with each of these values.

    But those by an identifier, and by an attribute (tests/plans/test_attributes.py).
    """
    for line in SERVED:
        if set(line.filters) & {*IDENTIFIERS, ATTRIBUTE}:
            continue
        for size in range(len(line.any_of) + 1):
            for chosen in itertools.combinations(line.any_of, size):
                names = (*line.filters, *chosen)
                for given in itertools.product(*(values[name] for name in names)):
                    for order in line.orders:
                        yield dict(zip(names, given, strict=True)) | {"order": order}


def listings(values: Mapping[str, Sequence[str]]) -> dict[str, Listing]:
    """Return the lists of `parameters`, each named by its query."""
    return {"&".join(f"{n}={v}" for n, v in given.items()): listing_of(given) for given in parameters(values)}


def index_of(listing: Listing) -> str:
    """Return the index that gives this list in order."""
    return INDEXES[constant(listing)][listing.order]


def constant(listing: Listing) -> tuple[str, ...]:
    """Return which filters stand before the order's column in that index."""
    return tuple(name for name in ("domain", "is_active", "group") if name in listing.filters)


def column_of(listing: Listing) -> str:
    """Return the column that people stand in the order of."""
    return ORDERS.get(listing.order, "id")


def key_of(listing: Listing, value: Any, id: Any) -> tuple[str, ...]:
    """Return the place in a list of somebody with this id and this value of `column_of`, as its rows say it."""
    if listing.order == "id":
        return (str(id),)
    return (f"{value:%Y-%m-%dT%H:%M:%S.%fZ}" if isinstance(value, datetime) else value, str(id))


def check(plan: Plan, listing: Listing, shown: int, rows: int, *, generic: bool) -> None:
    """Fail unless the plan of a list walks its index and reads no more people than it shows."""
    # Where nearly everybody is of this domain or state, a plan for just these values takes an index that is nearly
    # as good a way to them.
    spare = 0 if generic or constant(listing) != ("domain", "is_active") else rows // 10 + 2
    check_reads(plan, shown, (rows if spare else shown) + spare)
    if ANY_TABLE in plan.read:
        return  # MariaDB may take another index, where that leaves few
    assert spare or index_of(listing) in plan.indexes, plan.text


def check_reads(plan: Plan, shown: int, allowed: int) -> None:
    """Fail unless a plan reads people by indexes, in order, and no more than `allowed` of them for `shown`."""
    assert not TABLES & plan.scanned, plan.text
    # A person's row, their memberships and groups, each found and read on, and a table made of the page in between.
    assert plan.read.get(ANY_TABLE, 0) <= 16 * allowed + 50, plan.text
    assert plan.sorted <= shown, plan.text
    # Beside the page: whether the token's owner is active. Only PostgreSQL tells what it read.
    assert plan.read.get("users_user", 0) <= allowed + 1, plan.text
    assert plan.read.get("groups_membership", 0) <= 3 * shown + 1, plan.text
