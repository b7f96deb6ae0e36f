"""How many people a list holds: roughly and without asking, up to a bound, or exactly."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from math import prod
from threading import BoundedSemaphore
from time import monotonic
from typing import Any

from django.db import OperationalError, connections
from django.db.models import QuerySet

from populace.infra.db.causes import Cause, cause_of
from populace.infra.db.fields import FOREVER, NEVER
from populace.users.errors import Refused
from populace.users.filters import Filters
from populace.users.models import User
from populace.users.pages import bounds
from populace.users.parts import in_use
from populace.users.querysets import ATTRIBUTE, EQUAL, ORDERS, RANGES, SEARCHED, Caller, visible_to
from populace.users.search import Word
from populace.users.search_parts import fits, share
from populace.users.statistics import KEPT_S, Column, statistics

CAP = 10_000
"""What `capped` counts up to; as many mean as many or more."""

COUNTS = ("none", "estimate", "capped", "exact")

REMEMBERED = 256  # counts that stand in for estimates where the engine keeps no statistics
_remembered: dict[Any, tuple[float, int]] = {}


BUSY = "Exact counts are made one after another."
WAIT_S = 1.0
"""How long an exact count waits for the one before it."""

_places = BoundedSemaphore(2)  # of this process: who counts, and one who waits for their turn
_turn = BoundedSemaphore(1)


def count(kind: str, caller: Caller, filters: Filters, words: Sequence[Word]) -> int:
    """Return how many people `caller` may list with these filters and words; `kind` is one of COUNTS but `none`.

    Raises Refused `query_timeout` where the database does not finish in its time, `overloaded` where too many ask for
    exact counts.
    """
    people = matching(caller, filters, words)
    if kind == "exact":
        return exact(people)
    with _in_time(kind, "count"):
        return _count(kind, people, filters, words)


def exact(people: QuerySet[User], parameter: str = "count") -> int:
    """Return how many people there are. Raises Refused about `parameter` as `count` does."""
    with _in_time("exact", parameter), _own_turn(parameter):
        return people.count()


@contextmanager
def _in_time(kind: str, parameter: str) -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        if cause_of(error) is not Cause.QUERY_TIMEOUT:
            raise
        raise Refused("query_timeout", parameter, f"{kind}: the database did not finish in its time.") from error


def _count(kind: str, people: QuerySet[User], filters: Filters, words: Sequence[Word]) -> int:
    if kind == "estimate":
        return _estimate(people, filters, words)
    return people[:CAP].count()


@contextmanager
def _own_turn(parameter: str) -> Iterator[None]:
    """Hold the process's one slow read, so that however many are asked for, its other threads serve the rest."""
    if not _places.acquire(blocking=False):
        raise Refused("overloaded", parameter, BUSY)
    try:
        if not _turn.acquire(timeout=WAIT_S):
            raise Refused("overloaded", parameter, BUSY)
        try:
            yield
        finally:
            _turn.release()
    finally:
        _places.release()


def matching(caller: Caller, filters: Filters, words: Sequence[Word]) -> QuerySet[User]:
    """Return the people of a list, in no order; filters by an identifier are not for it."""
    people = visible_to(caller).filter(**{EQUAL[name]: value for name, value in filters.items() if name in EQUAL})
    if "group" in filters:
        people = people.filter(memberships__group_id=filters["group"])
    if ATTRIBUTE in filters:
        name, text = filters[ATTRIBUTE]
        people = people.filter(attribute_values__name=name, attribute_values__value=text)
    for column, (low, high) in _ranges(filters).items():
        people = people.filter(**{f"{column}__gt": low, f"{column}__lt": high})
    return people.filter(fits(words, connections[people.db])) if words else people


def _ranges(filters: Filters) -> dict[str, tuple[datetime, datetime]]:
    """Return between which times the columns lie that a range is asked of."""
    found = {}
    for order in sorted({RANGES[name] for name in filters if name in RANGES}):
        low, high = bounds(order, filters)
        found[ORDERS[order]] = low or NEVER, high or FOREVER
    return found


def _estimate(people: QuerySet[User], filters: Filters, words: Sequence[Word]) -> int:
    """Return what the planner would expect; where it knows nothing, a bounded count that is kept as long."""
    connection = connections[people.db]
    if connection.vendor == "postgresql" and ATTRIBUTE not in filters and (columns := statistics(connection)):
        return _expected(columns, filters, words, parts=in_use(connection))
    key = people.db, tuple(sorted(filters.items())), tuple(words)
    until, found = _remembered.get(key, (0.0, 0))
    if monotonic() >= until:
        found = people[:CAP].count()
        if len(_remembered) >= REMEMBERED:
            _remembered.clear()
        _remembered[key] = monotonic() + KEPT_S, found
    return found


def _expected(columns: dict[str, Column], filters: Filters, words: Sequence[Word], *, parts: bool) -> int:
    """Return how many rows pass if no column depends on another; a column without statistics lets nobody pass."""
    none = Column(0, 1, {}, ())
    if "group" in filters:
        members = columns.get("group_id", none)
        return round(members.rows * members.equal(filters["group"]))
    shares = [columns.get(EQUAL[name], none).equal(value) for name, value in filters.items() if name in EQUAL]
    shares += [columns.get(column, none).between(low, high) for column, (low, high) in _ranges(filters).items()]
    # Words are rarely independent: the rarest one tells most.
    shares += [min(_share(columns, word, parts=parts) for word in words)] if words else []
    return round(columns.get("is_active", none).rows * prod(shares))


def _share(columns: dict[str, Column], word: Word, *, parts: bool) -> float:
    begin = min(1.0, sum(columns[name].between(*word.bounds(name)) for name in SEARCHED if name in columns))
    return max(begin, share(columns, word)) if parts and word.is_part else begin
