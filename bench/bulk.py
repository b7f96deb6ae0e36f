"""`make bench-bulk`: an import beside a bare COPY of the rows it writes. See docs/reference/imports.md.

From the environment: ROWS (people, 100,000), ROUNDS (3). Each round imports a CSV with Argon2 hashes into an empty
directory, by the API and a worker, and then copies the same rows into the same tables, with the same indexes, of
another one.
"""

import os
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psycopg

from bench.report import RESULTS, aligned
from bench.run import number
from bench.stage import POSTGRESQL, say
from tests.support.installation import Installation, run, settings_of
from tests.support.postgresql import PostgreSQL

HASH = "$argon2id$v=19$m=19456,t=2,p=1$%s$RdescudvJCsgt3ub+b5dWRWJTmaaJObGWKwk3EMkkzs"
HEADER = "external_id,username,email,email_verified,first_name,last_name,phone,locale,timezone,password_hash\n"
DOMAINS = ("example.com", "example.org", "mail.example.net", "staff.example.edu")
NAMES = ("Anna", "Ben", "Chiara", "José", "Łukasz", "Mei", "Sofía", "Yuki", "Olga", "Umar", "Zoë", "Ravi", "Noah")

# What an import writes of each person; the dispatcher has moved the outbox by the time that it is read.
TABLES = {
    "users_user": "users_user",
    "users_identifier": "users_identifier",
    "audit_event": "(SELECT * FROM audit_event WHERE action = 'user.created' AND request_id <> '')",
    "audit_outbox": "(SELECT row_number() OVER () + 100000000, id, subject_id, action, at, true FROM audit_event"
    " WHERE action = 'user.created' AND request_id <> '')",
}
OUTBOX = "audit_outbox (id, event_id, subject_id, action, at, quiet)"


class Round(NamedTuple):
    """Seconds of the import and of the COPY, and the greatest memory of the worker and the server (MiB)."""

    import_s: float
    copy_s: float
    worker_mib: float
    web_mib: float


def lines(rows: int) -> Iterator[str]:
    """Yield the file, a line for each person, no two alike."""
    yield HEADER
    for n in range(rows):
        name = NAMES[n % len(NAMES)]
        salt = b64encode(f"{n:016d}".encode()).decode().rstrip("=")
        yield (
            f"hr-{n},person{n},person{n}@{DOMAINS[n % 4]},true,{name},{NAMES[n // 13 % 13]}son,+43{1_000_000_000 + n},"
            f'de-AT,Europe/Vienna,"{HASH % salt}"\n'
        )


def memory_mib(pid: int) -> float:
    """Return the greatest resident memory of a process and its children so far."""
    from tests.support.supervised import descendants_of

    texts = [Path(f"/proc/{one}/status").read_text() for one in descendants_of(pid)]
    peaks = [int(text.partition("VmHWM:")[2].split()[0]) for text in texts if "VmHWM:" in text]
    return max(peaks) / 1024


def imported(server: PostgreSQL, name: str, file: Path, folder: Path) -> tuple[float, float, float]:
    """Import the file into a new directory; return seconds, and the memory of worker and server."""
    folder.mkdir()
    site = Installation(folder, DATABASE_URL=server.create(name), POPULACE_WEB_PROCESSES="1")
    try:
        site.start_web()
        site.start_worker()
        site.http.timeout = 600
        with file.open("rb") as body:
            job = site.http.post("/api/v1/imports", files={"file": (file.name, body, "text/csv")}).json()
        while job["state"] in ("queued", "running"):
            time.sleep(0.5)
            job = site.http.get(f"/api/v1/jobs/{job['id']}").json()
        if job["state"] != "succeeded" or job["result"]["failed"]:
            raise SystemExit(f"bench: {job}")
        began, ended = (datetime.fromisoformat(job[name]) for name in ("started_at", "finished_at"))
        assert site.worker
        assert site.web
        return (ended - began).total_seconds(), memory_mib(site.worker.pid), memory_mib(site.web.pid)
    finally:
        site.stop()


def copied(server: PostgreSQL, source: str, name: str, folder: Path) -> float:
    """Copy what the import wrote into a new directory; return seconds."""
    url = server.create(name)
    run(settings_of(folder, url, 8000), "migrate")
    with psycopg.connect(server.url(source)) as connection:
        for table, rows in TABLES.items():
            out = f"COPY {rows} TO STDOUT"
            with (folder / table).open("wb") as file, connection.cursor() as cursor, cursor.copy(out) as copy:
                file.writelines(copy)
    with psycopg.connect(url) as connection:
        began = time.monotonic()
        for table in TABLES:
            into = f"COPY {OUTBOX if table == 'audit_outbox' else table} FROM STDIN"
            with (folder / table).open("rb") as file, connection.cursor() as cursor, cursor.copy(into) as copy:
                while block := file.read(1 << 18):
                    copy.write(block)
            connection.commit()
        return time.monotonic() - began


def one_round(server: PostgreSQL, at: int, file: Path, folder: Path) -> Round:
    """Do both."""
    source = f"import{at}"
    import_s, worker, web = imported(server, source, file, folder / source)
    copy_s = copied(server, source, f"copy{at}", folder)
    say(f"round {at}: import {import_s:.1f} s, COPY {copy_s:.1f} s, worker {worker:.0f} MiB, web {web:.0f} MiB")
    return Round(import_s, copy_s, worker, web)


def measured(rows: int, rounds: int) -> list[Round]:
    """Run all rounds on a server of our own."""
    server = PostgreSQL(**POSTGRESQL)
    with tempfile.TemporaryDirectory(prefix="populace-bench-") as name:
        folder = Path(name)
        file = folder / "people.csv"
        with file.open("w") as text:
            text.writelines(lines(rows))
        say(f"{rows:,} rows, {file.stat().st_size >> 20} MiB")
        try:
            return [one_round(server, at, file, folder) for at in range(rounds)]
        finally:
            server.stop()


def page(rows: int, found: list[Round]) -> str:
    """Return the report of the imports."""
    middle: Callable[[str], float] = lambda name: median(getattr(one, name) for one in found)  # noqa: E731 (short)
    head = ["what", "seconds", "rows/s", "times the COPY", "worker MiB", "web MiB"]
    ratio = median(one.import_s / one.copy_s for one in found)
    table = [
        head,
        ["bare COPY", f"{middle('copy_s'):.1f}", f"{rows / middle('copy_s'):,.0f}", "1", "", ""],
        [
            "import",
            f"{middle('import_s'):.1f}",
            f"{rows / middle('import_s'):,.0f}",
            f"{ratio:.2f}",
            f"{max(one.worker_mib for one in found):.0f}",
            f"{max(one.web_mib for one in found):.0f}",
        ],
    ]
    about = f"`make bench-bulk`, ROWS={rows:,}, ROUNDS={len(found)}: medians; memory is the greatest of all rounds.\n"
    about += f"{os.cpu_count()} cores, shared by worker, server and PostgreSQL."
    return f"## Import\n\n{about}\n\n{aligned(table, 1)}\n"


def main() -> None:
    """Run the bench; the report goes to stdout and, with SAVE=1, below bench/results."""
    rows, rounds = number("ROWS", 100_000), number("ROUNDS", 3)
    text = page(rows, measured(rows, rounds))
    print(text)
    if os.environ.get("SAVE"):
        path = RESULTS / f"{datetime.now(UTC).date()}-bulk.md"
        before = path.read_text() if path.exists() else f"# Bulk, {datetime.now(UTC).date()}\n"
        path.write_text(f"{before}\n{text}")


if __name__ == "__main__":
    sys.exit(main())
