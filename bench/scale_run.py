"""Every part of `make scale` in turn, in a process with Django's settings, and the page about it."""

from collections.abc import Iterable

from django.db import connection
from django.test import Client

from bench import (
    scale_console,
    scale_events,
    scale_identifiers,
    scale_lists,
    scale_people,
    scale_refusals,
    scale_searches,
    scale_walk,
)
from bench.report import aligned
from bench.scale_pages import Asker, Line
from bench.stage import Stage, say
from populace.credentials.models import ApiToken

HEAD = ["what", "page", "index", "statements", "rows read", "buffers", "database ms", "answer ms"]
WALKS = ({"order": "last_name"}, {"order": "updated_at"})
"""Many share a last name; who is changed moves to the end of the second."""


def run(stage: Stage, seconds: float) -> tuple[str, int]:
    """Return the page and how many faults there are."""
    directory = scale_people.dressed()
    say("made different")
    owner = ApiToken._base_manager.get(digest=directory.digest).user_id
    client = Client(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {directory.secret}"})
    asker = Asker(client, str(owner), directory.digest)
    parts = {
        "Lists of people": told(scale_lists.lines(asker, directory), "lists"),
        "Searches": told(scale_searches.lines(asker, directory), "searches"),
        "By an identifier": told(scale_identifiers.lines(asker), "identifiers"),
        "Events": told(scale_events.lines(asker, directory), "events"),
        "The console": told(scale_console.lines(directory), "console"),
    }
    refusals = scale_refusals.ask_all(client, directory)
    say(f"{refusals.refused} combinations refused")
    walks = [scale_walk.walk(asker, stage, parameters) for parameters in WALKS]
    faults = [f"{line.what} {line.place}: {line.fault}" for lines in parts.values() for line in lines if line.fault]
    faults += refusals.faults + [f"{walk.what}: {walk.fault}" for walk in walks if walk.fault]
    return page(stage.rows, seconds, parts, refusals, walks, faults), len(faults)


def told(lines: Iterable[Line], name: str) -> list[Line]:
    """Return all lines; the terminal hears how many they are."""
    found = list(lines)
    say(f"{len(found)} {name}, {sum(bool(line.fault) for line in found)} not as they must be")
    return found


def page(
    rows: int,
    seconds: float,
    parts: dict[str, list[Line]],
    refusals: scale_refusals.Refusals,
    walks: list[scale_walk.Walked],
    faults: list[str],
) -> str:
    """Return all of it as Markdown."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        [[version]] = cursor.fetchall()
    tables = "\n\n".join(f"## {name}\n\n{table(lines)}" for name, lines in parts.items())
    wrong = "\n".join(f"- {fault}" for fault in faults) or "Nothing."
    walked = "\n".join(f"- {sentence(walk)}" for walk in walks)
    return f"""PostgreSQL {version}. `populace seed {rows}` took {seconds:.0f} s, {rows / seconds:,.0f} people/s.

Of each place the worst of the page behind it and the one before it. Figures are those of the plan that the server keeps
(generic), as EXPLAIN (ANALYZE, BUFFERS) has it: rows read include those beside the page (token, groups of each person).

## Not as it must be

{wrong}

## Walking while {scale_walk.WRITERS} processes write

{walked}

## Refusals

{refusals.refused:,} combinations of filters and order are refused, {refusals.served} served (identifiers apart).

{tables}
"""


def table(lines: list[Line]) -> str:
    """Return lines as a table."""
    rows = [HEAD]
    for line in lines:
        counts = [f"{number:,}" for number in (line.statements, line.read, line.buffers)]
        times = [f"{ms:.1f}" for ms in (line.plan_ms, line.answer_ms)]
        rows.append([line.what, line.place, line.indexes, *counts, *times])
    return aligned(rows)


def sentence(walk: scale_walk.Walked) -> str:
    """Return what a walk has seen."""
    writes = ", ".join(f"{number:,} {name}" for name, number in sorted(walk.writes.items()))
    return (
        f"{walk.what}: {walk.pages:,} pages of {scale_walk.LIMIT} in {walk.seconds:.0f} s, {walk.shown:,} shown; of "
        f"{walk.untouched:,} whom nobody touched {walk.skipped} skipped, {walk.doubled} doubled. Meanwhile {writes}."
    )
