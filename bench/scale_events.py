"""GET /events beside a million events: the list of everything, and those of a subject, an actor and an action."""

from collections.abc import Iterator, Mapping
from itertools import chain, combinations
from types import SimpleNamespace
from typing import Any, cast

from bench.scale_pages import LIMIT, Asker, Check, Line, Place, Read, line
from bench.scale_people import Directory
from populace.api.paging import Asked
from populace.audit.actors import SYSTEM
from populace.audit.api import Events
from populace.audit.models import Event, Feed
from populace.audit.reads import EXAMINED, WALKS
from populace.infra.db.documents import Json
from tests.support.plans import Plan

PATH = Events.path


def lines(asker: Asker, directory: Directory) -> Iterator[Line]:
    """Yield the table's lines, of filters that few and that nearly all events pass."""
    for parameters in asked_for(directory):
        for place in places_of(parameters):
            yield line(
                asker, parameters, [place], reading(parameters), checking(parameters), path=PATH, plans=("generic",)
            )


def asked_for(directory: Directory) -> Iterator[dict[str, str]]:
    """Yield every combination of filters, with rare and with common values."""
    rare = Event._base_manager.filter(actor=directory.rare_actor.id).order_by("at").first()
    assert rare
    common = {"subject": str(rare.subject_id), "actor": str(SYSTEM.id), "action": "user.created"}
    few = common | {"actor": str(rare.actor), "action": rare.action}
    for names in chain.from_iterable(combinations(WALKS, size) for size in range(len(WALKS) + 1)):
        yield {name: common[name] for name in names}
        if set(names) & {"actor", "action"}:
            yield {name: few[name] for name in names}
    yield {"actor": common["actor"], "action": few["action"]}


def places_of(parameters: Mapping[str, str]) -> Iterator[Place]:
    """Yield the first, a middle and the last page; there is no way back."""
    if not parameters:
        feed = Feed._base_manager.order_by("-seq").values_list("seq", "event_id")
        for name, at in _starts(feed.count()):
            rows = [((str(seq),), str(id)) for seq, id in feed[max(at - 1, 0) : at + 3 * LIMIT]]
            yield _place(name, at, rows)
        return
    events = Event._base_manager.filter(**{WALKS[name]: value for name, value in parameters.items()})
    found: Any = events.order_by("-at", "-id").annotate(text=Json("datetime", "at")).values_list("text", "id")
    for name, at in _starts(events.count()):
        rows = [((text, str(id)), str(id)) for text, id in found[max(at - 1, 0) : at + 3 * LIMIT]]
        yield _place(name, at, rows)


def _starts(count: int) -> list[tuple[str, int]]:
    return [("first", 0)] + [("middle", count // 2), ("last", count - LIMIT // 2)] * (count > 2 * LIMIT)


def _place(name: str, at: int, rows: list[tuple[tuple[str, ...], str]]) -> Place:
    return Place(name, rows[0][0], [id for _, id in rows[1:]]) if at else Place(name, (), [id for _, id in rows])


def reading(parameters: Mapping[str, str]) -> Read:
    """Return how a page of this list is read."""

    def read(place: Place) -> Any:
        cursor = cast(Any, SimpleNamespace(key=place.key) if place.key else None)
        return Events().read(Asked(PATH, parameters, LIMIT, cursor))

    return read


def checking(parameters: Mapping[str, str]) -> Check:
    """Return what the plan of a page of this list must be.

    Only the one that the server runs is looked at: for an actor of nearly all events PostgreSQL would rather read them
    all, if it were asked (config/engines.py: PLANS).
    """
    bound = EXAMINED if len(parameters) > 1 else 0

    def check(plan: Plan, place: Place, rows: int, *, generic: bool) -> None:
        scanned = {table for table in plan.scanned if table.startswith("audit_") and plan.read[table]}
        assert not scanned, f"scans {scanned}"
        # Those that share a moment are put in order, a few more at a time than are shown.
        assert plan.sorted <= bound + 2 * rows, "sorts too much"
        assert sum(plan.read.values()) <= bound + 4 * rows, "reads too much"

    return check
