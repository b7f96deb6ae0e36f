"""`q` by a prefix of one and of many, at any depth: what plain SQL finds, column by column, and what a page reads."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db.models import Q, QuerySet

from bench.scale_lists import reading
from bench.scale_pages import LIMIT, Asker, Line, Place, line
from bench.scale_people import Directory
from populace.users.lists import listing_of
from populace.users.models import User
from populace.users.querysets import SEARCHED
from populace.users.search import EXAMINED, Word, words_of
from tests.support.lists import check_reads
from tests.support.plans import Plan

EDGE = 3 * LIMIT  # rows around a place that are looked at


def lines(asker: Asker, directory: Directory) -> Iterator[Line]:
    """Yield the table's lines for a common prefix, a rare one, and one with a second word that few have."""
    for parameters in (
        {"q": directory.common},
        {"q": directory.common, "is_active": "false"},
        {"q": directory.rare},
        {"q": f"{directory.common} {directory.rare}"},
    ):
        listing = listing_of(parameters)
        for places in places_of(parameters):
            yield line(asker, parameters, places, reading(listing), check_search)


def check_search(plan: Plan, place: Place, rows: int, *, generic: bool) -> None:
    """Fail unless a search walks the four indexes, sorts nothing and looks at no more than its bound."""
    check_reads(plan, rows, EXAMINED + 2 * rows)
    assert plan.sorted == 0, "sorts"


def found_in(parameters: Mapping[str, str], step: int) -> QuerySet[User]:
    """Return whom a search shows by one of SEARCHED, in its order."""
    first, *others = words_of(parameters["q"])
    people = User._base_manager.filter(_begins(SEARCHED[step], first)).exclude(
        *[_any(first, SEARCHED[:step])] if step else ()
    )
    for word in others:
        people = people.filter(_any(word, SEARCHED))
    if "is_active" in parameters:
        people = people.filter(is_active=parameters["is_active"] == "true")
    return people.order_by(SEARCHED[step], "id")


def _begins(column: str, word: Word) -> Q:
    low, high = word.bounds(column)
    return Q(**{f"{column}__gte": low, f"{column}__lt": high})


def _any(word: Word, columns: Sequence[str]) -> Q:
    found = Q()
    for column in columns:
        found |= _begins(column, word)
    return found


def places_of(parameters: Mapping[str, str]) -> Iterator[list[Place]]:
    """Yield the first, a middle and the last page of a search; pages may end early, so each lies in one column."""
    counts = [found_in(parameters, step).count() for step in range(len(SEARCHED))]
    if sum(counts) <= 1:
        yield [Place("first", (), [id for step in range(len(SEARCHED)) for _, id in rows_of(parameters, step, 0)])]
        return
    first = next(step for step, count in enumerate(counts) if count)
    largest = max(range(len(SEARCHED)), key=counts.__getitem__)
    last = max(step for step, count in enumerate(counts) if count)
    yield [Place("first", (), [id for _, id in rows_of(parameters, first, 0)])]
    for name, step, at in ("middle", largest, counts[largest] // 2), ("last", last, counts[last] - LIMIT // 2):
        begin = max(at - EDGE, 0)
        rows = rows_of(parameters, step, begin)
        before, behind = rows[: at - begin], rows[at - begin :]
        backwards = Place(name, behind[0][0], [id for _, id in before[::-1]], backwards=True)
        yield [Place(name, before[-1][0], [id for _, id in behind]), backwards]


def rows_of(parameters: Mapping[str, str], step: int, begin: int) -> list[tuple[tuple[str, ...], str]]:
    """Return (key, id) of the rows around a place."""
    found: Any = found_in(parameters, step).values_list(SEARCHED[step], "id")[begin : begin + 2 * EDGE]
    return [((str(step), value, str(id)), str(id)) for value, id in found]
