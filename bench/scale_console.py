"""The console's pages beside a million people and events: how many statements, by which plans, nothing counted."""

import json
from collections.abc import Iterator
from time import perf_counter
from typing import Any

from django.db import connection
from django.db.models import Model, QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bench.scale_pages import Line
from bench.scale_people import Directory
from bench.scale_searches import found_in
from populace.audit.actors import SYSTEM
from populace.audit.models import Event, Feed
from populace.console.keyset import AFTER, BEFORE, PER_PAGE, position_of
from populace.credentials.actions import set_password
from populace.credentials.hashing import hash_password
from populace.credentials.models import ApiToken
from populace.groups.models import Group
from populace.users.models import User
from populace.users.search import EXAMINED, words_of
from populace.users.search_parts import read
from tests.support.console import EVENTS, GROUPS, PASSWORD, PEOPLE, STATEMENTS, sign_in
from tests.support.plans import Plan, explain, explain_sql

MOST = {PEOPLE: STATEMENTS, EVENTS: STATEMENTS + 3}  # events: the names of people and groups beside them
READ = 250  # rows of a page that searches nothing: those shown, and what is shown beside each
SHOWN = ("user_", "membership_", "audit_")  # indexes
LARGE = ("users_", "audit_", "groups_membership")

type Page = tuple[str, str, dict[str, str]]
"""Where it lies in its list, path and query."""


def lines(directory: Directory) -> Iterator[Line]:
    """Yield the table's lines."""
    browser = signed_in(directory)
    for place, path, query in (*people_pages(directory), *event_pages(directory)):
        yield line(browser, place, path, query)


def signed_in(directory: Directory) -> Client:
    """Return the browser of the token's owner."""
    owner = User._base_manager.get(pk=ApiToken._base_manager.get(digest=directory.digest).user_id)
    set_password(owner.pk, password_hash=hash_password(PASSWORD), by=SYSTEM)
    browser = Client(SERVER_NAME="localhost")
    assert sign_in(browser, owner.email).status_code == 302
    return browser


def people_pages(directory: Directory) -> Iterator[Page]:
    """Yield the pages of people, at any depth, and of a person and a group."""
    joined = User._base_manager.order_by("-date_joined", "-id")
    for query, people in (
        ({}, joined),
        ({"is_active": "false"}, joined.filter(is_active=False)),
    ):
        for place, at in depths(people, ("date_joined", "id")):
            yield place, PEOPLE, {**query, **at}
    found = found_in({"q": directory.common}, 0)
    for number in 0, found.count() // 2:
        person = found[number]
        place = {"after": json.dumps(["0", person.username_normal, str(person.pk)])} if number else {}
        yield "middle" if number else "first", PEOPLE, {"q": directory.common, **place}
    yield "first", PEOPLE, {"q": directory.rare}
    yield "first", PEOPLE, {"q": f"{directory.common} {directory.rare}"}
    yield "", f"{PEOPLE}{joined[12345 % joined.count()].pk}/change/", {}
    yield "", f"{GROUPS}{Group._base_manager.get(name='big').pk}/change/", {}


def event_pages(directory: Directory) -> Iterator[Page]:
    """Yield the pages of events, at any depth."""
    for place, at in depths(Feed._base_manager.order_by("-seq"), ("seq",)):
        yield place, EVENTS, at
    events = Event._base_manager.order_by("-at", "-id")
    for query in {"actor": str(SYSTEM.id)}, {"action": "user.created"}:
        for place, at in depths(events.filter(**query), ("at", "id")):
            yield place, EVENTS, {**query, **at}
    rare = str(directory.rare_actor.id)
    yield "first", EVENTS, {"actor": rare}
    yield "first", EVENTS, {"action": "user.deactivated"}
    yield "first", EVENTS, {"subject": str(events.filter(actor=rare)[0].subject_id)}


def depths(rows: QuerySet[Any], names: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield where the first, a middle and the last page of a list lie, and the page before each."""
    count = rows.count()
    yield "first", {}
    for place, number in ("middle", count // 2), ("last", count - 10):
        row: Model = rows[number]
        yield place, {"after": position_of(row, names)}
        yield f"before {place}", {"before": position_of(row, names)}


def line(browser: Client, place: str, path: str, query: dict[str, str]) -> Line:
    """Ask for a page and have every statement of it explained."""
    browser.get(path, query)
    with CaptureQueriesContext(connection) as asked:
        began = perf_counter()
        response: Any = browser.get(path, query)
        ms = (perf_counter() - began) * 1000
    faults = [] if response.status_code == 200 else [f"status {response.status_code}"]
    statements = [one["sql"] for one in asked if one["sql"].startswith(("SELECT", "WITH"))]
    if len(asked) > MOST.get(path, 99):
        faults.append(f"{len(asked)} statements")
    if any("COUNT(" in sql.upper() for sql in statements):
        faults.append("counts")
    plans = [explain_sql(sql, connection, run=True) for sql in statements]
    if "q" in query:  # its statement is logged without its values
        key = tuple(json.loads(query.get("after", "[]")))
        search, values = read(words_of(query["q"]), None, key, descending=False)
        plans.append(explain(search, connection, generic=True, limit=PER_PAGE + 1, run=True, **values))
    faults += [fault for plan in plans for fault in wrong(plan, searches="q" in query)]
    return Line(
        what=" ".join([path, *(f"{name}={query[name]}" for name in query if name not in (AFTER, BEFORE))]),
        place=place,
        indexes=", ".join(sorted({index for plan in plans for index in plan.indexes if index.startswith(SHOWN)})),
        read=max(sum(plan.read.values()) for plan in plans),
        buffers=max(plan.buffers for plan in plans),
        plan_ms=max(plan.ms for plan in plans),
        answer_ms=ms,
        statements=len(asked),
        fault="; ".join(faults),
    )


def wrong(plan: Plan, *, searches: bool) -> Iterator[str]:
    """Yield what is wrong with the plan of a page's statement."""
    if scanned := [table for table in plan.scanned if table.startswith(LARGE) and plan.read[table]]:
        yield f"scans {scanned}"
    if plan.sorted > READ:
        yield f"sorts {plan.sorted}"
    if sum(plan.read.values()) > READ + EXAMINED * searches:
        yield f"reads {dict(plan.read)} by {sorted(plan.indexes)}"
