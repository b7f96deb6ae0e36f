"""What the benches measure: one entry per case. `make bench` runs all of them, `CASES=create` those named."""

from dataclasses import dataclass

BASE = "/api/v1/users"


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request, sent to every server in turn.

    `populace` and `naive` are SQL: the paths to choose from at random, asked of that side's own database. (The limit
    shares Populace's database and paths.) `goals` are the least ratios of CPU µs per request, server and database
    together: naive's by Populace's, and the limit's by Populace's.
    """

    name: str
    method: str
    status: int
    populace: str
    naive: str
    goals: dict[str, float]
    servers: tuple[str, ...] = ("naive", "populace", "limit")


def some(table: str, path: str) -> str:
    """Return SQL of the paths of 20,000 people, spread over the table."""
    return f"SELECT {path} FROM {table} ORDER BY random() LIMIT 20000"


CASES = [
    Case(
        "get by id",
        "GET",
        200,
        populace=some("users_user", f"'{BASE}/' || id"),
        naive=some("naive_user", "'/users/' || id || '/'"),
        goals={"naive": 8, "limit": 0.3},
    ),
    Case(
        "create",
        "POST",
        201,
        populace=f"SELECT '{BASE}'",
        naive="SELECT '/users/'",
        goals={"naive": 2.5},
    ),
]
