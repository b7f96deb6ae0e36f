"""`make scale`: every served list of people, and the console, at a million people. See docs/reference/bench.md.

From the environment: ROWS (people, 1,000,000), SAVE (unset: print only; a name, or 1: write
bench/results/<date>-<name>.md as well). Ends with 1 if anything is not as it must be.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django

from bench.report import save
from bench.run import number
from bench.stage import MIGRATE, POSTGRESQL, Stage, say
from tests.support.postgresql import PostgreSQL
from tests.support.processes import BIN

LEAST = 20_000


@contextmanager
def seeded(rows: int) -> Iterator[tuple[Stage, float]]:
    """Start PostgreSQL and fill it by `populace seed`; yield that and the seconds it took. All goes in the end."""
    folder = Path(tempfile.mkdtemp(prefix="populace-scale-"))
    (folder / "var").mkdir()
    postgresql = PostgreSQL(**POSTGRESQL)
    try:
        made = Stage(folder, postgresql, rows, urls={"populace": postgresql.create("populace")})
        made.run("populace", MIGRATE["populace"])
        began = time.monotonic()
        made.run("populace", [str(BIN / "populace"), "seed", str(rows)])
        yield made, time.monotonic() - began
    finally:
        postgresql.stop()
        shutil.rmtree(folder, ignore_errors=True)


def log_to(file: Path) -> None:
    """Write the log, a line for each request, to a file; what is said goes where it went."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    with file.open("wb") as log:
        os.dup2(log.fileno(), 2)


def main() -> None:
    if (rows := number("ROWS", 1_000_000)) < LEAST:
        sys.exit(f"scale: ROWS must be {LEAST} or more, or some lists have no middle")
    with seeded(rows) as (made, seconds):
        say(f"{made.rows:,} people seeded in {seconds:.0f} s")
        os.environ.update(made.environment_of("populace"))
        log_to(made.folder / "log")
        django.setup()
        from bench.scale_run import run

        try:
            text, faults = run(made, seconds)
        except Exception:
            say((made.folder / "log").read_text(errors="replace")[-2000:])
            raise
    print(text)
    if name := os.environ.get("SAVE"):
        say(f"written to {save(text, 'scale' if name == '1' else name)}")
    if faults:
        sys.exit(f"scale: {faults} lines are not as they must be")


if __name__ == "__main__":
    main()
