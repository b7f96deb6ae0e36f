"""`make bench-indexes`: what each index of people costs a create, and the disk. See docs/reference/bench.md.

From the environment: ROWS (people, 1,000,000), CREATES (a sample, 2,000), ROUNDS (7), SAVE (indexes).
"""

import os
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from bench.load import unhurried
from bench.report import aligned, facts, save
from bench.run import number
from bench.stage import say, stage

if TYPE_CHECKING:
    from bench.creating import Cost

TABLES = ["users_user", "users_identifier"]
INDEXES = """SELECT i.tablename, i.indexname, i.indexdef, a.amname, x.indisunique,
    pg_relation_size(x.indexrelid) / greatest(1, (SELECT reltuples FROM pg_class WHERE oid = x.indrelid))
FROM pg_indexes i JOIN pg_class c ON c.oid = format('%%I.%%I', i.schemaname, i.indexname)::regclass
JOIN pg_am a ON a.oid = c.relam JOIN pg_index x ON x.indexrelid = c.oid
WHERE i.tablename = ANY(%s) ORDER BY i.tablename DESC, x.indisunique DESC, i.indexname"""

ALL = "all that may be left out"
HEAD = ["table", "index", "CPU µs of a create", "share of its CPU", "WAL bytes", "creates/s without", "bytes a row"]


class Index(NamedTuple):
    """An index as the database has it; a unique one is a rule, so it cannot be left out."""

    table: str
    name: str
    definition: str
    method: str
    is_unique: bool
    bytes: float


def indexes() -> list[Index]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(INDEXES, [TABLES])
        return [Index(*row) for row in cursor.fetchall()]


def run(statement: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)


def emptier(all_indexes: list[Index]) -> Callable[[], None]:
    """Return what does the work that GIN indexes put off until their list of new rows is full."""

    def empty() -> None:
        for index in all_indexes:
            if index.method == "gin":
                run(f"SELECT gin_clean_pending_list(to_regclass('{index.name}')) WHERE to_regclass('{index.name}') > 0")

    return empty


def pair(left_out: list[Index], creates: int, empty: Callable[[], None], *, with_first: bool) -> "tuple[Cost, Cost]":
    """Return what a create costs with some indexes and without them; they are there in the end."""
    from bench.creating import WARM_UP, Cost, cost_of, person

    def sample() -> Cost:
        batch = [person() for _ in range(creates + WARM_UP)]
        empty()
        return cost_of(batch, settle=empty)

    having = sample() if with_first else None
    for index in left_out:
        run(f"DROP INDEX {index.name}")
    without = sample()
    for index in left_out:
        run(index.definition)
    return having or sample(), without


def inside(creates: int, rounds: int) -> None:
    """Measure each index in turn and print the table; runs in a process that has Populace's settings."""
    import django

    django.setup()
    unhurried()
    from bench import creating

    run(
        "SET statement_timeout = 0; SET lock_timeout = 0; SET maintenance_work_mem = '512MB';"
        " SET synchronous_commit = off"
    )
    found, cases = indexes(), {}
    for index in found:
        if not index.is_unique:
            cases[index.name] = [index]
    cases[ALL] = [index for index in found if not index.is_unique]
    costs: dict[str, list[tuple[Cost, Cost]]] = {name: [] for name in cases}
    creating.own_cores()
    for turn in range(rounds + 1):
        began = time.monotonic()
        for name, left_out in cases.items():
            number = creates if turn else creates // 10
            got = pair(left_out, number, emptier(found), with_first=bool(turn % 2))
            costs[name] += [got] if turn else []
        say((f"round {turn} of {rounds} done" if turn else "warmed up") + f" in {time.monotonic() - began:.0f} s")
    print(table(found, costs))


def table(found: list[Index], costs: "dict[str, list[tuple[Cost, Cost]]]") -> str:
    """Return a line for each index: what it adds to a create, by the medians of the rounds' differences."""
    rows = [HEAD]
    sizes = {index.name: (index.table, index.bytes) for index in found}
    for index in found:
        if index.is_unique:
            rows.append([index.table, index.name, "cannot be left out", "", "", "", f"{index.bytes:.0f}"])
    for name, pairs in costs.items():
        where, size = sizes.get(name) or ("both", sum(index.bytes for index in found if not index.is_unique))
        added = [having.cpu_us - without.cpu_us for having, without in pairs]
        share = median(1 - without.cpu_us / having.cpu_us for having, without in pairs)
        wal = median(having.wal - without.wal for having, without in pairs)
        speed = median(without.per_second / having.per_second for having, without in pairs)
        spread = f"{median(added):.0f} [{min(added):.0f}-{max(added):.0f}]"
        rows.append([where, name, spread, f"{share:.1%}", f"{wal:,.0f}", f"{speed:.2f}x", f"{size:.0f}"])
    whole = [having for having, _ in costs[ALL]]
    cpu, wal = (median(getattr(cost, name) for cost in whole) for name in ("cpu_us", "wal"))
    return f"{aligned(rows)}\n\nA create with all of them: {cpu:,.0f} µs, {wal:,.0f} bytes of write-ahead log.\n"


def main() -> None:
    rounds, creates = number("ROUNDS", 7), number("CREATES", 2000)
    with stage(number("ROWS", 1_000_000), naive=False) as made:
        env = {"CREATES": str(creates), "ROUNDS": str(rounds)}
        text = made.run("populace", [sys.executable, "-m", "bench.index_cost", "inside"], **env)
        text = f"""{made.rows:,} people; {rounds} rounds of {creates:,} creates with each index and without it, in turn.
What it adds to a create: CPU of the backend (median [lowest-highest] of the rounds), write-ahead log without full
pages (after a checkpoint there are more), how much faster creates one after another are without it (no commit waits for
the disk here, or that would be most of it), and bytes on disk for each row of its table.

{text}
{facts(made)}.
"""
    print(text)
    say(f"written to {save(text, os.environ.get('SAVE') or 'indexes')}")


if __name__ == "__main__":
    if sys.argv[1:] == ["inside"]:
        inside(number("CREATES", 2000), number("ROUNDS", 7))
    else:
        main()
