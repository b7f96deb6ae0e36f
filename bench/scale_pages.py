"""A page at a known place of a list: asked for as a client does, and its plan, each beside what must come out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode

from django.db import connection
from django.test import Client

from bench.scale_wire import Answer, ask
from populace.api.lists import folded_list
from populace.api.paging import Cursor, asked_of, signed
from populace.infra.db.compiled import Compiled
from tests.support.plans import Plan, explain

LIMIT, MOST = 20, 201
"""Rows of a page that is asked for; rows of the largest statement."""
PATH = "/api/v1/users"


@dataclass(frozen=True)
class Place:
    """A page: behind `key`, or before it if `backwards`; it shows `ids`, in the list's order."""

    name: str  # first, middle or last
    key: tuple[str, ...]
    ids: Sequence[str]
    backwards: bool = False


@dataclass(frozen=True)
class Line:
    """A line of the table; `fault` says what is wrong, if anything."""

    what: str
    place: str
    indexes: str
    read: int
    buffers: int
    plan_ms: float
    answer_ms: float
    statements: int
    fault: str = ""


@dataclass(frozen=True)
class Asker:
    """Whoever asks for lists: `holder` is the id of the token's owner."""

    client: Client
    holder: str
    digest: str

    def url(self, path: str, parameters: Mapping[str, str], place: Place) -> str:
        """Return the path of a page, with a cursor as the server would have made it."""
        if not place.key:
            return f"{path}?{urlencode(parameters)}"
        cursor = signed(Cursor(self.holder, place.key, place.backwards), asked_of(path, parameters).binding)
        return f"{path}?{urlencode({**parameters, 'cursor': cursor})}"


type Read = Callable[[Place], tuple[Compiled, Mapping[str, Any]]]
"""The statement of a page and its values."""


class Check(Protocol):
    """What a plan must be."""

    def __call__(self, plan: Plan, place: Place, rows: int, *, generic: bool) -> None:
        """Raise AssertionError unless the plan of a page of so many rows is as it must be."""


@dataclass
class Seen:
    """What pages at one place were found to be; `plans` are of LIMIT, as the server runs them."""

    answers: list[Answer] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def line(
    asker: Asker,
    parameters: Mapping[str, str],
    places: Sequence[Place],
    read: Read,
    check: Check,
    *,
    path: str = PATH,
    plans: Sequence[str] = ("generic", "custom"),
) -> Line:
    """Ask for pages at one place, forwards and backwards, and have their plans checked; return the worst of them."""
    seen = Seen()
    for place in places:
        see_answer(seen, ask(asker.client, asker.url(path, {**parameters, "limit": str(LIMIT)}, place)), place)
        for rows in (LIMIT + 1, MOST):
            for kind in plans:
                generic = kind == "generic"
                statement, values = read(place)
                given = {"digest": asker.digest, **values}
                plan = explain(folded_list(statement), connection, generic=generic, limit=rows, run=True, **given)
                if generic and rows == LIMIT + 1:
                    seen.plans.append(plan)
                try:
                    check(plan, place, rows, generic=generic)
                except AssertionError as error:
                    seen.faults.append(f"{kind} plan of {rows} rows: {told(plan, error)}")
    return Line(
        what=" ".join(f"{name}={value}" for name, value in parameters.items()) or "everything",
        place=places[0].name,
        indexes=", ".join(sorted({index for plan in seen.plans for index in walks(plan)})),
        read=max(sum(plan.read.values()) for plan in seen.plans),
        buffers=max(plan.buffers for plan in seen.plans),
        plan_ms=max(plan.ms for plan in seen.plans),
        answer_ms=max(answer.ms for answer in seen.answers),
        statements=max(answer.wire.statements for answer in seen.answers),
        fault="; ".join(seen.faults),
    )


def see_answer(seen: Seen, answer: Answer, place: Place) -> None:
    """Note an answer, and what is wrong with it: whom it shows, or how many statements it took."""
    seen.answers.append(answer)
    shown = [one["id"] for one in answer.body.get("results", ())]
    expected = list(place.ids)[:LIMIT][:: -1 if place.backwards else 1]
    if shown != expected:
        seen.faults.append(f"{answer.status}: shows {len(shown)}: {shown[:2]}…, not {len(expected)}: {expected[:2]}…")
    if (answer.wire.statements, answer.wire.parsed) != (1, 0):
        seen.faults.append(f"{answer.wire.statements} statements, {answer.wire.parsed} not prepared")


def told(plan: Plan, error: AssertionError) -> str:
    """Return in a line what is wrong with a plan."""
    said = str(error).partition("\n")[0]
    reads = {table: rows for table, rows in plan.read.items() if rows > 1}
    return f"{said if said != '{' else ''} sorts {plan.sorted}, reads {reads} by {', '.join(sorted(walks(plan)))}"


def walks(plan: Plan) -> set[str]:
    """Return the indexes that a list is walked by: not those that single rows are looked up by."""
    own = {index for index in plan.indexes if index.startswith(("user_", "membership_", "audit_"))}
    return own or plan.indexes
