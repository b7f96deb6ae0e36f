"""What is asked at every size, and of whom: `python -m bench.growth_cases FOLDER SIZE LAST UNTIL` writes the paths.

Runs with Populace's settings, for cursors are signed. Everybody is chosen by number, so nothing is read but groups.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import django

from bench import people
from bench.cases import BASE, Case
from bench.growth_people import RARE, RARE_EVERY, RARE_REST, joined

PATHS = 20_000
"""Different paths of a case: a sample of two seconds asks for few of them twice."""

KEYSET, GROUPS = "keyset", "groups"
"""In place of SQL: made in Python; made from the table of groups."""


@dataclass(frozen=True, slots=True)
class Growing:
    """One kind of request.

    `path`: SQL over n, a person's number, and `id` and `at` of that person. `among`: SQL of the number over the size
    {size} and a random number {random} from 0 to 1. `most`: how many times the p50 of the first size the last may
    have, None where that is only told; `most_ms`: what it may be there.
    """

    name: str
    path: str
    among: str = "1 + floor({random} * {size})::int"
    most: float | None = 2
    most_ms: float | None = None
    may_be_missing: bool = False

    @property
    def case(self) -> Case:
        """Return it as bench.wrk takes it."""
        return Case(self.name, "GET", 200, {})

    @property
    def file(self) -> str:
        return self.name.replace(" ", "-").replace(",", "") + ".paths"


def query(text: str) -> str:
    return f"'{BASE}?{text}"


NEWER_HALF = "{size} / 2 + 1 + floor({random} * ({size} / 2))::int"  # so that a page of 20 lies behind everybody
MIDDLE = "{size} * 45 / 100 + 1 + floor({random} * ({size} / 10))::int"
RARE_ONES = f"floor({{random}} * ({{size}} / {RARE_EVERY}))::int * {RARE_EVERY} + {RARE_REST}"
BEFORE = """joined_before=' || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""

CASES = [
    Growing("get by id", f"'{BASE}/' || id"),
    Growing("by identifier", query(f"email=' || {people.EMAIL}")),
    Growing("keyset page at half depth", KEYSET, MIDDLE),
    Growing("prefix of many", query(f"q=' || left({people.USERNAME}, 4)")),
    Growing("prefix of few", query(f"q=' || left({people.USERNAME}, -1)")),
    Growing("inactive, by date", query(f"is_active=false&order=-date_joined&{BEFORE}"), NEWER_HALF),
    Growing(
        "domain, active, by date",
        query(f"domain=example.org&is_active=true&order=-date_joined&{BEFORE}"),
        NEWER_HALF,
    ),
    Growing("members of a group", GROUPS),
    Growing("capped count", query("limit=1&count=capped'")),
    Growing("part of few", query(f"q=' || substr({RARE}, 3, 6)"), RARE_ONES, None, 10, may_be_missing=True),
    Growing("part in common letters", query(f"q=' || substr({people.USERNAME}, 4)"), most=None, may_be_missing=True),
]


def paths(growing: Growing, size: int, when: str) -> list[str]:
    """Return PATHS paths of a case (fewer where there are fewer); the same people whenever they are asked for."""
    from django.db import connection

    if growing.path == GROUPS:
        return texts("SELECT '/api/v1/groups/' || id || '/members' FROM groups_group")
    with connection.cursor() as cursor:
        cursor.execute("SELECT setseed(0.5)")
    number = growing.among.format(size=size, random="random()")
    place = people.uuid7("at", "'person' || n")
    source = f"(SELECT n, {place} AS id, at FROM (SELECT n, {when} AS at FROM (SELECT {number} AS n"
    source += f" FROM generate_series(1, {PATHS})) a) b) c"
    if growing.path == KEYSET:
        return keyset(f"SELECT at, id FROM {source}")
    return texts(f"SELECT {growing.path} FROM {source}")


def texts(query: str) -> list[str]:
    """Return the one column of a query, as a request spells it."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(query)
        return [quote(text, safe="/?&=@:-.") for (text,) in cursor.fetchall()]


def keyset(query: str) -> list[str]:
    """Return paths of the pages behind places (date_joined, id)."""
    from django.db import connection

    from bench.cursors import populace

    path_of = populace()
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [path_of(place) for place in cursor.fetchall()]


def files(folder: Path) -> Mapping[str, Path]:
    """Return where the paths of each case lie."""
    return {growing.name: folder / growing.file for growing in CASES}


def main(folder: Path, size: int, when: str) -> None:
    django.setup()
    os.makedirs(folder, exist_ok=True)
    for growing in CASES:
        (folder / growing.file).write_text("".join(f"{path}\n" for path in paths(growing, size, when)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), joined(int(sys.argv[3]), sys.argv[4]))
