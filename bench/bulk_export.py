"""What an export takes beside a bare COPY of the same columns; part of `make bench-bulk`.

From the environment: ROWS (people, 100,000), ROUNDS (3), SAVE (1: write it below bench/results).
"""

import json
import os
import resource
import sys
import time
from statistics import median

import psycopg

from bench.report import aligned, facts, save
from bench.run import number
from bench.stage import Stage, say, stage

ENDINGS = ("csv", "jsonl", "xlsx")
XLSX_MOST = 100_000  # people of a workbook here: it is a matter of minutes, not of the database

COLUMNS = """SELECT id, kind, username, email, email_verified, external_id, first_name, last_name, phone, locale,
    timezone, is_active, attributes, {groups} date_joined, updated_at, nullif(last_sign_in_at, '-infinity'), version
    FROM users_user u"""
JOINED = """ LEFT JOIN (
    SELECT m.user_id, json_agg(json_build_object('id', g.id, 'name', g.name)) AS groups
    FROM groups_membership m JOIN groups_group g ON g.id = m.group_id GROUP BY m.user_id
) AS theirs ON theirs.user_id = u.id"""
BARE = {
    "COPY": COLUMNS.format(groups="theirs.groups,") + JOINED,  # a subquery for each person takes half as long again
    "COPY without groups": COLUMNS.format(groups=""),
}

HEAD = ["what", "seconds", "by COPY", "by COPY without groups", "MB", "peak MiB"]


def copied(made: Stage, select: str) -> tuple[float, int, float]:
    """Copy people out as CSV into a file; returns seconds, bytes and 0 for our memory."""
    began = time.monotonic()
    path = made.folder / "copied"
    with psycopg.connect(made.urls["populace"]) as connection, path.open("wb") as file:
        statement = f"COPY ({select}) TO STDOUT (FORMAT csv, HEADER)"
        with connection.cursor().copy(statement) as blocks:
            file.writelines(blocks)
        os.fsync(file.fileno())
    return time.monotonic() - began, path.stat().st_size, 0


def exported(made: Stage, ending: str) -> tuple[float, int, float]:
    """Do an export as a worker does, in a process of its own; returns seconds, bytes and MiB at most."""
    files = f"file://{made.folder}/files"
    printed = made.run("populace", [sys.executable, "-m", "bench.bulk_export", "inside", ending], FILES_URL=files)
    return tuple(json.loads(printed))  # type: ignore[return-value]


def inside(ending: str) -> None:
    """Do one and print what it took; runs in a process that has Populace's settings."""
    import django

    django.setup()
    from populace.audit.actors import SYSTEM
    from populace.bulk.actions import taken_away
    from populace.bulk.exports import asked
    from populace.bulk.here import run_here
    from populace.bulk.models import Job
    from populace.bulk.reads import results_of

    options = asked({"format": ending})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    job = run_here(Job(kind="export", options=options), by=SYSTEM)
    took = time.monotonic() - began
    file = results_of([job])[job.id]
    taken_away(job)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    say(f"{ending}: {file.rows:,} people in {took:.1f} s, memory {before >> 10} MiB before, {peak >> 10} MiB at most")
    print(json.dumps([took, file.size, peak / 1024]))


def measured(made: Stage, rounds: int) -> list[list[str]]:
    """Return the table's rows: medians of the rounds."""
    endings = [ending for ending in ENDINGS if ending != "xlsx" or made.rows <= XLSX_MOST]
    cases = {name: (copied, select) for name, select in BARE.items()}
    cases |= {f"export, {ending}": (exported, ending) for ending in endings}
    found: dict[str, list[tuple[float, int, float]]] = {name: [] for name in cases}
    for turn in range(rounds + 1):
        for name, (act, what) in cases.items():
            got = act(made, what)
            found[name] += [got] if turn else []  # the first one warms up
    seconds = {name: median(took for took, _, _ in samples) for name, samples in found.items()}
    rows = [HEAD]
    for name, samples in found.items():
        by = [f"{seconds[name] / seconds[bare]:.2f}x" for bare in BARE]
        rows.append([name, f"{seconds[name]:.2f}", *by, f"{samples[0][1] / 1e6:.1f}", f"{samples[0][2]:.0f}"])
    return rows


def main() -> None:
    rounds = number("ROUNDS", 3)
    with stage(number("ROWS", 100_000), naive=False) as made:
        table = aligned(measured(made, rounds), texts=1)
        text = f"""{made.rows:,} people; medians of {rounds} rounds behind one that warms up. COPY writes a CSV of the
document's columns to a file, in the order of the table. An export is a job from its being asked for to its result, in
the list's order, with times and groups as documents have them and cells that are guarded. Peak: of its process.

{table}

{facts(made)}.
"""
    print(text)
    if os.environ.get("SAVE"):
        say(f"written to {save(text, 'bulk-export')}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["inside"]:
        inside(sys.argv[2])
    else:
        main()
