"""The statements behind the lists of people: one for each line of querysets.SERVED, direction and page size.

A page begins behind a place in the order. The first one begins behind a place before everybody, and a range of
times is a place, too, and a far end; so first page, later page and range are one statement. In all there are at most
2 directions x 4 sizes x (6 orders + 3 with filters held constant + group + attribute + search with parts and without)
= 104 statements. Each is compiled at its first use; psycopg keeps the 100 last used ones prepared on a connection, and
prepares others anew.
"""

from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import F, OuterRef, QuerySet, Subquery

from populace.infra.db.compiled import Compiled, Param
from populace.infra.db.documents import Json, document
from populace.infra.db.fields import FOREVER, NEVER
from populace.infra.db.ids import FIRST_ID, LAST_ID
from populace.infra.db.lookups import LAST, Led, Same, after
from populace.users.documents import UserDocument
from populace.users.filters import Filters
from populace.users.models import AttributeValue, User
from populace.users.querysets import EQUAL, ORDERS, Reader, visible_to

ROWS = (21, 51, 101, 201)
"""Rows of a statement: a page, and one that tells whether there is another."""

TIMES = ("date_joined", "last_login", "updated_at")
INSTANT = timedelta(microseconds=1)

type Key = tuple[str, ...]


class Walk(NamedTuple):
    """A way through an index: the filters held constant, then the order's column and the id, up or down."""

    order: str
    equal: tuple[str, ...]
    descending: bool


def param(name: str, column: str = "") -> Param:
    """Return a parameter that is adapted as the column of people is."""
    field: Any = User._meta.get_field(column or name)
    return Param(name, field)


@cache
def page(walk: Walk) -> Compiled:
    """Return the statement of a walk; its rows are (document, place, id)."""
    return Compiled(walked(walk, document(UserDocument)), limits=ROWS)


def walked(walk: Walk, shown: Any) -> QuerySet[Any, Any]:
    """Return whom a walk meets; rows are (shown, place, id)."""
    column, sign = ORDERS[walk.order], "-" if walk.descending else ""
    people = visible_to(Reader()).filter(
        after({column: param("place", column), "id": param("id")}, descending=walk.descending),
        *(Led(F(EQUAL[name]), param(name, EQUAL[name])) for name in walk.equal[:1]),
        *(Same(F(EQUAL[name]), param(name, EQUAL[name])) for name in walk.equal[1:]),
    )
    led = [EQUAL[name] for name in walk.equal]
    place: Any = F(column)
    if walk.order in TIMES:
        people = people.filter(**{f"{column}__{'gte' if walk.descending else 'lte'}": param("far", column)})
        place = Json("datetime", place)
    ordered = people.order_by(*(sign + name for name in (*led, column, "id")))
    return ordered.values_list(shown, place, "id")


@cache
def members(descending: bool) -> Compiled:
    """Return the statement of a group's members; its rows are (document, id)."""
    return Compiled(members_of(descending, document(UserDocument)), limits=ROWS)


def members_of(descending: bool, shown: Any) -> QuerySet[Any, Any]:
    """Return a group's members, walked in the table of memberships; rows are (shown, id).

    What is shown of each is a look-up of its own. For a join PostgreSQL would merge both tables from their beginnings:
    a page in the middle reads half of the people.
    """
    membership: Any = User._meta.get_field("memberships").related_model  # a higher folder's, never imported
    person = visible_to(Reader()).filter(pk=OuterRef("user_id")).values_list(shown)
    sign, group = "-" if descending else "", Param("group", membership._meta.get_field("group"))
    behind = {f"user_id__{'lt' if descending else 'gt'}": param("id")}
    rows = membership.objects.filter(Led(F("group_id"), group), **behind).order_by(f"{sign}group_id", f"{sign}user_id")
    return rows.values_list(Subquery(person), "user_id")  # type: ignore[no-any-return]


@cache
def holders(descending: bool) -> Compiled:
    """Return the statement of the people with a value of an attribute; its rows are (document, id)."""
    return Compiled(holders_of(descending, document(UserDocument)), limits=ROWS)


def holders_of(descending: bool, shown: Any) -> QuerySet[Any, Any]:
    """Return the people with a value of an attribute, as members_of does a group's.

    A range from one id to another, never `name = … AND value = …`: of that PostgreSQL believes that it leaves few, and
    sorts them, though with a common value it may be half of the directory.
    """
    held: Any = AttributeValue._meta
    person = visible_to(Reader()).filter(pk=OuterRef("user_id")).values_list(shown)
    key = {column: Param(column, held.get_field(column)) for column in ("name", "value")}
    rows = AttributeValue.objects.filter(
        after({**key, "user_id": param("id")}, descending=descending),
        after({**key, "user_id": param("far", "id")}, descending=not descending),
    )
    ordered = rows.order_by(*(f"-{column}" if descending else column for column in (*key, "user_id")))
    return ordered.values_list(Subquery(person), "user_id")


def place_of(walk: Walk, key: Key, filters: Filters) -> dict[str, Any]:
    """Return the values of a walk's statement for the page behind `key`; behind its beginning if that is empty."""
    values: dict[str, Any] = {name: filters[name] for name in walk.equal}
    if walk.order not in TIMES:
        values["place"], values["id"] = (LAST, LAST_ID) if walk.descending else ("", FIRST_ID)
    else:
        values |= _range(walk, *bounds(walk.order, filters))
    if key:
        values["place"] = key[0]
        values["id"] = UUID(key[1])
    return values


def _range(walk: Walk, low: datetime | None, high: datetime | None) -> dict[str, Any]:
    """Return where the walk begins and what it does not pass; neither bound belongs to the range."""
    if walk.descending:
        place, id = (FOREVER, LAST_ID) if high is None else (high, FIRST_ID)
        return {"place": place, "id": id, "far": NEVER if low is None else low + INSTANT}
    place, id = (NEVER, FIRST_ID) if low is None else (low, LAST_ID)
    return {"place": place, "id": id, "far": FOREVER if high is None else high - INSTANT}


def bounds(order: str, filters: Filters) -> tuple[datetime | None, datetime | None]:
    """Return the times that a column lies strictly between. A range leaves out whom it has not come for: NEVER."""
    name = {"date_joined": "joined", "last_login": "last_login", "updated_at": "updated"}[order]
    low, high = filters.get(f"{name}_after"), filters.get(f"{name}_before")
    return (NEVER if low is None and high is not None else low), high
