"""Which people a caller may list, and which lists are served: those that an index gives in order.

The table is all there is: the API serves it, a refusal quotes it, docs/reference/lists.md shows it and tests/plans
proves it. Whatever is not in it would have to read people whom it does not show.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple, Protocol

from django.db.models import QuerySet

from populace.audit.permissions import ADMIN
from populace.users.models import User

READ = "users:read"

ORDERS = {
    "date_joined": "date_joined",
    "email": "email_normal",
    "username": "username_normal",
    "last_name": "last_name_normal",
    "last_login": "last_sign_in_at",
    "updated_at": "updated_at",
}
"""Public name of each order, and its column. Ties are in the order of `id`, the same way."""

DEFAULT_ORDER = "-date_joined"

EQUAL = {"domain": "email_domain", "is_active": "is_active"}
"""Filters that stand before the order's column in an index, in that sequence."""

RANGES = {
    "joined_after": "date_joined",
    "joined_before": "date_joined",
    "last_login_after": "last_login",
    "last_login_before": "last_login",
    "updated_after": "updated_at",
    "updated_before": "updated_at",
}
"""Filters by time, and the only order in which each is served."""

IDENTIFIERS = ("email", "external_id", "username")
"""Filters that at most one person passes: any order, and any other filter beside them."""

ATTRIBUTES = "attributes."
"""What begins the name of a filter by a free attribute."""

ATTRIBUTE = "attributes.NAME"
"""How all of those are called in the table: they are one walk."""

FILTERS = (*IDENTIFIERS, *EQUAL, "group", *RANGES)

SEARCHED = ("username_normal", "email_normal", "last_name_normal", "first_name_normal")
"""Columns of `q`, in the order that they are walked."""


class Served(NamedTuple):
    """A line of the table: these filters together (`any_of`: none or more of those, too), in these orders."""

    filters: tuple[str, ...]
    any_of: tuple[str, ...]
    orders: tuple[str, ...]


def _both(*orders: str) -> tuple[str, ...]:
    return tuple(sign + order for order in orders for sign in ("", "-"))


SERVED = (
    Served((), (), _both(*ORDERS)),
    Served((), ("is_active", "domain", "joined_after", "joined_before"), _both("date_joined")),
    Served((), ("last_login_after", "last_login_before"), _both("last_login")),
    Served((), ("updated_after", "updated_before"), _both("updated_at")),
    Served(("group",), (), _both("id")),
    Served((ATTRIBUTE,), (), _both("id")),
    *(Served((name,), (*FILTERS, ATTRIBUTE), _both(*ORDERS)) for name in IDENTIFIERS),
)
"""Every combination of filters and order that is served. `q` stands apart: it comes in the order it walks."""


def orders_for(filters: Collection[str]) -> tuple[str, ...]:
    """Return the orders in which people are listed by exactly these filters; none where no index does it."""
    given = set(filters)
    for line in SERVED:
        if given >= set(line.filters) and given <= {*line.filters, *line.any_of}:
            return line.orders
    return ()


def default_order(filters: Collection[str]) -> str:
    """Return the order where none is asked for: newest first where that is served, else downwards, ids upwards."""
    orders = orders_for(filters)
    if DEFAULT_ORDER in orders or not orders:
        return DEFAULT_ORDER
    return orders[0] if orders[0] == "id" else orders[1]


class Caller(Protocol):
    """Whoever asks; a Principal or an Actor."""

    @property
    def permissions(self) -> frozenset[str]:
        """What they may do."""


class Reader(NamedTuple):
    """Who may read people: what a statement is compiled for before it is known who asks.

    Where the token's check is folded into the list, its answer is thrown away unless the permission is there.
    """

    permissions: frozenset[str] = frozenset((READ,))


def visible_to(caller: Caller) -> QuerySet[User]:
    """Return the people whom `caller` may list: the only way to a list of people. Deny by default."""
    people = User.objects.order_by()
    return people if {READ, ADMIN} & caller.permissions else people.none()


def columns_of(filters: Iterable[str]) -> tuple[str, ...]:
    """Return which of EQUAL these filters hold constant, in the sequence of the index."""
    given = set(filters)
    return tuple(name for name in EQUAL if name in given)
