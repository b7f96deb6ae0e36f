"""A list of people as it is asked for: checked against the table of what is served, and the statement behind it."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from populace.infra.db.compiled import Compiled, Row
from populace.infra.db.ids import FIRST_ID, LAST_ID
from populace.users import search, search_parts
from populace.users.errors import Refused
from populace.users.filters import Filters, filters_of, passes
from populace.users.pages import (
    Key,
    Walk,
    holders,
    holders_of,
    members,
    members_of,
    page,
    place_of,
    walked,
)
from populace.users.querysets import (
    ATTRIBUTE,
    ATTRIBUTES,
    FILTERS,
    IDENTIFIERS,
    ORDERS,
    columns_of,
    default_order,
    orders_for,
)
from populace.users.reads import USER, user_id_of

PARAMETERS = ("order", "q", *FILTERS, ATTRIBUTES)
"""What names the rows of a list and their order."""

BESIDE_Q = {"is_active"}
_IDENTIFIERS = frozenset(IDENTIFIERS)


class Listing(NamedTuple):
    """Which people, in which order; made by `listing_of`."""

    filters: Filters
    words: tuple[search.Word, ...]
    order: str
    descending: bool

    @property
    def identified(self) -> bool:
        """Tell whether at most one person is asked for, by an identifier."""
        return not _IDENTIFIERS.isdisjoint(self.filters)

    def read(self, key: Key, *, backwards: bool) -> tuple[Compiled, dict[str, Any]]:
        """Return the statement of the page behind `key` and its values. Its rows begin (document, *key)."""
        descending = self.descending != backwards
        if self.words:
            return search_parts.read(self.words, self.filters.get("is_active"), key, descending=descending)
        values = self.place(key, descending=descending)
        if "group" in self.filters:
            return members(descending), values
        if ATTRIBUTE in self.filters:
            return holders(descending), values
        return page(self._walk(descending)), values

    def rows(self, shown: Any) -> QuerySet[Any, Any]:
        """Return whom the list has behind a place, for a statement of one's own; rows are (shown, *key).

        Not of a search, nor of people who are found by an identifier. A subquery may have shown NULL: who is gone.
        """
        if "group" in self.filters:
            return members_of(self.descending, shown)
        if ATTRIBUTE in self.filters:
            return holders_of(self.descending, shown)
        return walked(self._walk(self.descending), shown)

    def place(self, key: Key, *, descending: bool) -> dict[str, Any]:
        """Return the values of the statement of the page behind `key`."""
        near, far = (LAST_ID, FIRST_ID) if descending else (FIRST_ID, LAST_ID)
        behind = UUID(key[0]) if key and self.order == "id" else near
        if "group" in self.filters:
            return {"group": self.filters["group"], "id": behind}
        if ATTRIBUTE in self.filters:
            name, text = self.filters[ATTRIBUTE]
            return {"name": name, "value": text, "id": behind, "far": far}
        return place_of(self._walk(descending), key, self.filters)

    def _walk(self, descending: bool) -> Walk:
        return Walk(self.order, columns_of(self.filters), descending)

    def completed(self, rows: list[Row], limit: int, key: Key, *, backwards: bool) -> list[Row]:
        """Return the rows of `read`'s statement for a search, read up to `limit`, with what it left to be added."""
        is_active, descending = self.filters.get("is_active"), self.descending != backwards
        return search_parts.completed(rows, limit, self.words, is_active, key, descending=descending)

    def person(self) -> list[bytes]:
        """Return the document of the one person who has these identifiers and passes every filter, if any does.

        Never a join: the identifiers, then the document (design section 4).
        """
        ids = {user_id_of(name, self.filters[name]) for name in IDENTIFIERS if name in self.filters}
        if len(ids) > 1 or None in ids:
            return []
        document = USER.one(id=ids.pop())
        return [document] if document and passes(document, self.filters) else []


def listing_of(parameters: Mapping[str, str]) -> Listing:
    """Return the list that these parameters ask for; raises Refused where a value is wrong or no index serves it."""
    filters = filters_of(parameters)
    order = parameters.get("order")
    if order is not None and order.removeprefix("-") not in (*ORDERS, "id"):
        raise Refused("unknown_parameter", "order", f"There is no such order. {_served(filters)}")
    if "q" in parameters:
        if order is not None or not BESIDE_Q.issuperset(filters):
            beside = "is_active, limit, fields and count"
            raise Refused(
                "order_not_served", "q", f"q comes in the order it is found in; beside it stand only {beside}."
            )
        return Listing(filters, search.words_of(parameters["q"]), "", False)
    order = order or default_order(filters)
    if order not in orders_for(filters):
        raise Refused("order_not_served", "order", _served(filters))
    return Listing(filters, (), order.removeprefix("-"), order.startswith("-"))


def _served(filters: Filters) -> str:
    """Return which orders are served with these filters; where none is, with each of them alone."""
    if orders := orders_for(filters):
        return f"Served with {' and '.join(filters) or 'no filter'}: {', '.join(orders)}."
    alone = "; ".join(f"with {name}: {', '.join(orders_for([name]))}" for name in filters)
    return f"Not served together: {', '.join(filters)}. Served {alone}."
