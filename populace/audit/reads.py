"""The statements that show events, newest first, compiled once per process.

No index holds all events by time: each list walks one of the three that there are, by subject, actor or action, and
the list of everything walks the feed.
"""

from collections.abc import Sequence
from functools import cache

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, Case, Func, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.expressions import RawSQL

from populace.audit.documents import EventDocument
from populace.audit.models import Event, Feed
from populace.infra.db.compiled import Compiled, Param, Plan
from populace.infra.db.composed import composed, late, seen
from populace.infra.db.documents import Json, document
from populace.infra.db.lookups import after

ROWS = (21, 51, 101, 201)
"""Rows of a statement: a page, and one that tells whether there is another."""

EXAMINED = 10_000
"""Events that a page with several filters looks at; then it ends early."""

WALKS = {"subject": "subject_id", "actor": "actor", "action": "action"}
"""Filters and their columns. Of several the first is walked: a person has fewer events than a program."""


def param(name: str, column: str = "") -> Param:
    """Return a parameter that is adapted as the column of events is."""
    return Param(name, Event._meta.get_field(column or name))  # type: ignore[arg-type]


def _walk(name: str) -> QuerySet[Event]:
    """Return the events behind a place, back to a time, of one subject, one actor or one action.

    That these are the same in all rows follows from the bounds: they are its least and its greatest place. An equation
    would have PostgreSQL plan for the average actor, who has three events to sort, and sort the million of another one.
    """
    column = WALKS[name]
    high = {column: param(name, column), "at": param("place", "at"), "id": param("id")}
    low = {column: param(name, column), "at": param("far", "at"), "id": param("far_id", "id")}
    # The last bound is what the first one says already, in words by which partitions are chosen.
    events = Event.objects.filter(
        after(high, descending=True), after(low, descending=False), at__lte=param("place", "at")
    )
    return events.order_by(f"-{column}", "-at", "-id")


@cache
def events(filters: Sequence[str]) -> Compiled:
    """Return the statement of a page for these filters, in the order of WALKS; its rows are (document, at, id, ended).

    `ended`: the walk was cut off behind this row, which may have no document.
    """
    return narrowed(filters, document(EventDocument), ROWS)


def narrowed(filters: Sequence[str], shown: Func, rows: Sequence[int]) -> Compiled:
    """Return the statement for these filters, with events shown by an expression and as many rows as one of `rows`."""
    if len(filters) > 1:
        return Sifted(filters, shown, rows)
    at, never = Json("datetime", "at"), Value(False, BooleanField())
    return Compiled(_walk(filters[0]).values_list(shown, at, "id", never), limits=rows)


class Sifted(Compiled):
    """The statement for several filters: the first is walked, EXAMINED events at most, and the others let pass."""

    def __init__(self, filters: Sequence[str], shown: Func, rows: Sequence[int]) -> None:
        walked, *others = filters
        key = {name: RawSQL(f"page.{name}", ()) for name in ("subject_id", "at", "id")}  # noqa: S611 (no input)
        super().__init__(Event.objects.order_by().filter(**key).values_list(shown), limits=rows)
        fits = When(Q(**{WALKS[name]: param(name, WALKS[name]) for name in others}), then=Value(True))
        hit = Case(fits, default=Value(False), output_field=BooleanField())
        found = _walk(walked).annotate(place=Json("datetime", "at"), hit=hit)
        self.walk = Compiled(found.values_list("subject_id", "at", "id", "place", "hit"))

    def compile(self, connection: BaseDatabaseWrapper, limit: int | None) -> Plan:
        """Put both together. The bound is a subquery, or PostgreSQL would plan to sort that many rows."""
        found, walk = super().compile(connection, None), self.walk.plan(connection)
        texts = [*found.texts, *(walk.texts[column] for column in (3, 2, 4) if walk.texts)]
        counted, kept = seen("at DESC, id DESC", connection)
        head = f"SELECT * FROM (SELECT *, {counted} FROM ("  # noqa: S608 (our own words)
        tail = f" LIMIT {late(EXAMINED, connection)}) AS walked) AS numbered"
        tail += f" WHERE hit OR seen = {EXAMINED}{kept} LIMIT {limit}"
        shown = f") END, place, id, seen = {EXAMINED} FROM ({head}"
        return composed("SELECT CASE WHEN hit THEN (", found, shown, walk, tail, ") AS page", texts=texts)


@cache
def everything() -> Compiled:
    """Return the statement of a page of all events in the order of the feed, backwards; its rows are (document, seq).

    An event that is in no partition any more has no document.
    """
    return unnarrowed(document(EventDocument), ROWS)


def unnarrowed(shown: Func, rows: Sequence[int]) -> Compiled:
    """Return the statement of all events, shown by an expression and with as many rows as one of `rows`."""
    entry = {"subject_id": OuterRef("subject_id"), "at": OuterRef("at"), "id": OuterRef("event_id")}
    event = Subquery(Event.objects.order_by().filter(**entry).values_list(shown))
    feed = Feed.objects.filter(seq__lt=Param("seq", Feed._meta.get_field("seq"))).order_by("-seq")
    return Compiled(feed.values_list(event, "seq"), limits=rows)
