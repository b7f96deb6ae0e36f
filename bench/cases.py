"""What the benches measure: one entry per case. `make bench` runs all of them, `CASES=create` those named."""

from collections.abc import Mapping
from dataclasses import dataclass, field

BASE = "/api/v1/users"
FIRST, MIDDLE = "list first page", "list middle page"

CURSORS = "python -m bench.cursors"
"""In place of SQL: that module makes the paths."""

PERSON = '{"username":"NAME","email":"NAME@example.com","first_name":"Zoë","last_name":"Nguyễn"}'
"""The body of a request that makes a person; NAME is another one each time."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request, sent to every server in turn.

    `paths` names the servers and, for each, SQL of the paths to choose from at random, asked of its own database (or
    CURSORS). `goals` are the least ratios of CPU µs per request, server and database together: another server's by
    Populace's. `speeds` are the least ratios of requests/s: Populace's by another server's. `at_most`: another case,
    and how many times its CPU this one may cost Populace. `threads`: those of each server, so a server for each number.
    """

    name: str
    method: str
    status: int
    paths: Mapping[str, str]
    goals: Mapping[str, float] = field(default_factory=dict)
    at_most: tuple[str, float] | None = None
    speeds: Mapping[str, float] = field(default_factory=dict)
    threads: int = 1
    body: str = PERSON


def some(table: str, path: str) -> str:
    """Return SQL of the paths of 20,000 people, spread over the table."""
    return f"SELECT {path} FROM {table} ORDER BY random() LIMIT 20000"


def only(path: str) -> str:
    """Return SQL of one path."""
    return f"SELECT '{path}'"


# A newcomer's pages as deep as the middle ones of bench.cursors: any from 45 to 55 % of all.
MIDDLE_PAGES = """SELECT '/users/?page=' || page
FROM (SELECT count(*) AS n FROM naive_user) people, generate_series(1 + n * 45 / 2000, 1 + n * 55 / 2000) page"""

USERS_BY_ID = some("users_user", f"'{BASE}/' || id")

CASES = [
    Case(
        "get by id",
        "GET",
        200,
        {"naive": some("naive_user", "'/users/' || id || '/'"), "populace": USERS_BY_ID, "limit": USERS_BY_ID},
        goals={"naive": 8, "limit": 0.3},
        speeds={"limit": 0.35},
    ),
    # 20 people with their groups, newest first; the newcomer's by id.
    Case(
        FIRST,
        "GET",
        200,
        {"newcomer": only("/users/"), "naive": only("/people/"), "populace": only(BASE), "limit": only(BASE)},
        goals={"naive": 8, "limit": 0.5},
    ),
    Case(
        MIDDLE,
        "GET",
        200,
        {"newcomer": MIDDLE_PAGES, "naive": CURSORS, "populace": CURSORS, "limit": CURSORS},
        goals={"naive": 8, "limit": 0.5},
        at_most=(FIRST, 1.1),
    ),
    Case(
        f"{FIRST} on two threads",
        "GET",
        200,
        {"populace": only(BASE), "limit": only(BASE)},
        speeds={"limit": 0.55},
        threads=2,
    ),
    Case(
        "create",
        "POST",
        201,
        {"naive": only("/users/"), "populace": only(BASE), "limit": only(BASE)},
        goals={"naive": 2.5},
    ),
]
