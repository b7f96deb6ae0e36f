"""What psycopg's cursor costs beside Prepared (populace/infra/db/compiled.py): `.venv/bin/python -m bench.statement`.

Sends the statement of one person by id, REPEATS (5,000) times each way in each of ROUNDS (5) rounds, and prints the
median CPU of this thread in µs: what Python and libpq do, not the server. The statement, its arguments and the
connection are the same; the document is taken as bytes.
"""

import os
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from bench.stage import stage

PEOPLE = 100


def cpu_us(call: Callable[[], Any], times: int) -> float:
    """Return µs of this thread's CPU per call."""
    began = time.thread_time()
    for _ in range(times):
        call()
    return (time.thread_time() - began) / times * 1e6


def ways() -> dict[str, Callable[[], Any]]:
    """Return each way to send the statement."""
    import psycopg
    from django.db import connection

    from populace.infra.db.compiled import Prepared
    from populace.users.models import User
    from populace.users.reads import USER

    text, args = USER.plan(connection).text, USER.arguments(connection, {"id": User.objects.order_by()[0].pk})
    driver: psycopg.Connection[Any] = connection.connection
    prepared, cursor = Prepared(driver), psycopg.RawCursor(driver)

    def kept_cursor() -> Any:
        return cursor.execute(text, args, prepare=True).pgresult.get_value(0, 0)

    def new_cursor() -> Any:
        return psycopg.RawCursor(driver).execute(text, args, prepare=True).pgresult.get_value(0, 0)

    def without() -> Any:
        return prepared.execute(text, args).get_value(0, 0)

    assert kept_cursor() == new_cursor() == without()
    return {"psycopg's cursor, a new one each": new_cursor, "the same cursor": kept_cursor, "Prepared": without}


def inside(times: int, rounds: int) -> None:
    """Measure in turn; runs in a process that has Populace's settings."""
    import django

    django.setup()
    chosen = ways()
    taken: dict[str, list[float]] = {name: [] for name in chosen}
    for turn in range(rounds + 1):
        for name, call in chosen.items():
            us = cpu_us(call, times if turn else 100)
            taken[name] += [us] if turn else []
    for name, values in taken.items():
        print(f"{median(values):6.1f} µs [{min(values):.1f}-{max(values):.1f}]  {name}")


def main() -> None:
    with stage(PEOPLE, naive=False) as made:
        env = {"REPEATS": os.environ.get("REPEATS") or "5000", "ROUNDS": os.environ.get("ROUNDS") or "5"}
        print(made.run("populace", [sys.executable, "-m", "bench.statement", "inside"], **env))


if __name__ == "__main__":
    if sys.argv[1:] == ["inside"]:
        inside(int(os.environ["REPEATS"]), int(os.environ["ROUNDS"]))
    else:
        main()
