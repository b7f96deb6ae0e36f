"""`make bench-full`: what a request takes as one database grows. See docs/reference/bench.md.

From the environment: SIZES (people, ascending, with commas between; 10000,100000,1000000,10000000), ROUNDS (5), SECONDS
(of a sample, 2), SAVE (the name of the files in bench/results; growth). They are written anew after each size.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psycopg

from bench import growth_cases, growth_report
from bench.cpu import pin
from bench.growth_cases import Growing
from bench.run import ask, number
from bench.stage import CORES, MIGRATE, POSTGRESQL, Server, Stage, say, servers
from bench.wrk import BadAnswer, Sample, need_wrk, sample
from tests.support.postgresql import PostgreSQL

SIZES = "10000,100000,1000000,10000000"
LEAST = 10_000  # fewer, and pages and counts of the first size are not full
PROBES = 20

# Nothing needs the log of an index that is being built; a checkpoint comes after each load, not in a sample.
SETTINGS = POSTGRESQL | {
    "shared_buffers": "4GB",
    "max_wal_size": "8GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}

GROWN, FIRST = "populace", "first"
"""The database that grows, and a copy of it at the first size: asked in turn, for a machine is not always as fast."""


@dataclass
class Step:
    """What was seen at one size; `samples` by case and server.

    `shown` by case: rows of an answer. `faults` by case: why it has no samples.
    """

    size: int
    loaded_s: float = 0
    disk: Mapping[str, int] = field(default_factory=dict)  # bytes by table and index, the largest first
    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)
    shown: dict[str, float] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)


def sizes() -> list[int]:
    """Return SIZES."""
    texts = (os.environ.get("SIZES") or SIZES).split(",")
    found = [int(text) for text in texts if text.strip().isdecimal()]
    if len(found) < len(texts) or found != sorted(set(found)) or found[0] < LEAST:
        raise SystemExit(f"bench: SIZES: whole numbers with commas between, ascending, {LEAST} or more")
    return found


@contextmanager
def empty_stage() -> Iterator[Stage]:
    """Start PostgreSQL with a migrated database that holds nobody; all goes in the end."""
    folder = Path(tempfile.mkdtemp(prefix="populace-bench-"))
    (folder / "var").mkdir()
    postgresql = PostgreSQL(**SETTINGS)
    try:
        made = Stage(folder, postgresql, 0, urls={GROWN: postgresql.create(GROWN)})
        made.urls[FIRST] = postgresql.url(FIRST)
        made.run(GROWN, MIGRATE[GROWN])
        yield made
    finally:
        postgresql.stop()
        shutil.rmtree(folder, ignore_errors=True)


def durable(stage: Stage, *, on: bool) -> None:
    """Have PostgreSQL wait for the disk, or not; what is in memory goes there first."""
    with psycopg.connect(stage.urls[GROWN], autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        os.sync()
        connection.execute(f"ALTER SYSTEM SET fsync = {'on' if on else 'off'}")
        connection.execute("SELECT pg_reload_conf()")


def grow(stage: Stage, size: int, last: int, until: str) -> Step:
    """Bring the database to `size` people and write the paths that are asked for there."""
    pin(stage.postgresql.process.pid, *CORES)
    durable(stage, on=False)
    began = time.monotonic()
    module = [sys.executable, "-m", "bench.growth_people", str(stage.rows), str(size), str(last), until]
    stage.token = stage.run(GROWN, module).strip() or stage.token
    step = Step(size, time.monotonic() - began)
    durable(stage, on=True)
    stage.rows = size
    paths = [sys.executable, "-m", "bench.growth_cases", str(stage.folder / str(size)), str(size), str(last), until]
    stage.run(GROWN, paths)
    step.disk = disk(stage)
    say(f"{size:,} people after {step.loaded_s:.0f} s, {sum(step.disk.values()) / 1e9:.1f} GB")
    return step


def disk(stage: Stage) -> dict[str, int]:
    """Return the bytes of every table (with what is stored beside it) and index, the largest first."""
    query = """SELECT relname || CASE relkind WHEN 'i' THEN ' (index)' ELSE '' END,
            CASE relkind WHEN 'i' THEN pg_relation_size(oid) ELSE pg_table_size(oid) END AS bytes
        FROM pg_class WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace ORDER BY bytes DESC"""
    with psycopg.connect(stage.urls[GROWN]) as connection:
        return {str(name): int(size) for name, size in connection.execute(query)}


def probe(stage: Stage, server: Server, growing: Growing, paths: Path) -> float:
    """Return how many rows an answer shows (the median). Raises BadAnswer, also where one shows nobody."""
    shown = []
    for path in paths.read_text().splitlines()[:PROBES]:
        answer = ask(stage, server, growing.case, path)
        shown.append(len(answer.get("results", [answer])))
    if not min(shown):
        raise BadAnswer(f"bench: {growing.name}: an empty answer")
    return median(shown)


def measure(stage: Stage, step: Step, first: int, rounds: int, seconds: float) -> None:
    """Ask everything of the grown database, and of the first size's where that is another, in turn."""
    names = [GROWN] if step.size == first else [GROWN, FIRST]
    folders = {GROWN: stage.folder / str(step.size), FIRST: stage.folder / str(first)}
    with servers(stage, [(name, 1) for name in names]) as running:
        for growing in growth_cases.CASES:
            with going_on(step, growing):
                step.shown[growing.name] = probe(stage, running[0], growing, folders[GROWN] / growing.file)
        for turn in range(rounds + 1):
            for growing in growth_cases.CASES:
                if growing.name in step.faults:
                    continue
                with going_on(step, growing):
                    for server in running if turn % 2 else reversed(running):
                        paths = folders[server.name] / growing.file
                        got = sample(stage, server, growing.case, paths, seconds if turn else 1, "", connections=1)
                        if turn:
                            step.samples.setdefault((growing.name, server.name), []).append(got)
            say(f"{step.size:,} people: " + (f"round {turn} of {rounds} done" if turn else "warmed up"))


@contextmanager
def going_on(step: Step, growing: Growing) -> Iterator[None]:
    """Leave a case out from its first bad answer on: what is left of a long run is worth having."""
    try:
        yield
    except BadAnswer as bad:
        fault = step.faults[growing.name] = "not served yet" if growing.may_be_missing else "FAILED"
        say(f"{growing.name}: {fault}: {bad}")


def main() -> None:
    need_wrk()
    asked, rounds, seconds = sizes(), number("ROUNDS", 5), number("SECONDS", 2)
    steps: list[Step] = []
    with empty_stage() as made:
        with psycopg.connect(made.urls[GROWN]) as connection:
            until = str(connection.execute("SELECT date_trunc('day', now()) - interval '1 day'").fetchone()[0])
        for size in asked:
            step = grow(made, size, asked[-1], until)
            if size == asked[0]:
                made.postgresql.create(FIRST, template=GROWN)
            measure(made, step, asked[0], rounds, seconds)
            steps.append(step)
            text, files = growth_report.write(made, steps, rounds, seconds, os.environ.get("SAVE") or "growth")
            say(f"written to {' and '.join(map(str, files))}")
    print(text)


if __name__ == "__main__":
    main()
