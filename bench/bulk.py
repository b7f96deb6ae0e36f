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
    """Seconds of the import and of the COPY, CPU seconds, and the greatest memory of worker and server (MiB)."""

    import_s: float
    copy_s: float
    worker_cpu_s: float
    database_cpu_s: float  # of the import, the dispatcher's part among it
    copy_cpu_s: float  # of the database
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


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and its children, those that have ended among them."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def all_cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and everything below it."""
    from tests.support.supervised import descendants_of

    return sum(cpu_s(one) for one in descendants_of(pid))


def memory_mib(pid: int) -> float:
    """Return the greatest resident memory of a process and its children so far."""
    from tests.support.supervised import descendants_of

    texts = [Path(f"/proc/{one}/status").read_text() for one in descendants_of(pid)]
    peaks = [int(text.partition("VmHWM:")[2].split()[0]) for text in texts if "VmHWM:" in text]
    return max(peaks) / 1024


def imported(server: PostgreSQL, name: str, file: Path, folder: Path) -> tuple[float, float, float, float, float]:
    """Import the file into a new directory; return seconds, CPU of worker and database, memory of worker and server."""
    folder.mkdir()
    site = Installation(folder, DATABASE_URL=server.create(name), POPULACE_WEB_PROCESSES="1")
    try:
        site.start_web()
        site.start_worker()
        site.http.timeout = 600
        assert site.worker
        assert site.web
        before = all_cpu_s(site.worker.pid), all_cpu_s(server.process.pid)
        with file.open("rb") as body:
            job = site.http.post("/api/v1/imports", files={"file": (file.name, body, "text/csv")}).json()
        while job["state"] in ("queued", "running"):
            time.sleep(0.5)
            job = site.http.get(f"/api/v1/jobs/{job['id']}").json()
        if job["state"] != "succeeded" or job["result"]["failed"]:
            raise SystemExit(f"bench: {job}")
        began, ended = (datetime.fromisoformat(job[name]) for name in ("started_at", "finished_at"))
        worker, database = all_cpu_s(site.worker.pid) - before[0], all_cpu_s(server.process.pid) - before[1]
        memory = memory_mib(site.worker.pid), memory_mib(site.web.pid)
        return (ended - began).total_seconds(), worker, database, *memory
    finally:
        site.stop()


def copied(server: PostgreSQL, source: str, name: str, folder: Path) -> tuple[float, float]:
    """Copy what the import wrote into a new directory; return seconds, and the database's CPU seconds."""
    url = server.create(name)
    run(settings_of(folder, url, 8000), "migrate")
    with psycopg.connect(server.url(source)) as connection:
        for table, rows in TABLES.items():
            out = f"COPY {rows} TO STDOUT"
            with (folder / table).open("wb") as file, connection.cursor() as cursor, cursor.copy(out) as copy:
                file.writelines(copy)
    with psycopg.connect(url) as connection:
        began, before = time.monotonic(), all_cpu_s(server.process.pid)
        for table in TABLES:
            into = f"COPY {OUTBOX if table == 'audit_outbox' else table} FROM STDIN"
            with (folder / table).open("rb") as file, connection.cursor() as cursor, cursor.copy(into) as copy:
                while block := file.read(1 << 18):
                    copy.write(block)
            connection.commit()
        return time.monotonic() - began, all_cpu_s(server.process.pid) - before


def one_round(server: PostgreSQL, at: int, file: Path, folder: Path) -> Round:
    """Do both."""
    source = f"import{at}"
    import_s, worker_cpu, database_cpu, worker, web = imported(server, source, file, folder / source)
    copy_s, copy_cpu = copied(server, source, f"copy{at}", folder)
    found = Round(import_s, copy_s, worker_cpu, database_cpu, copy_cpu, worker, web)
    say(f"round {at}: {', '.join(f'{name} {value:.1f}' for name, value in found._asdict().items())}")
    return found


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
    head = ["what", "seconds", "rows/s", "times the COPY", "CPU s database", "CPU s worker", "worker MiB", "web MiB"]
    ratio = median(one.import_s / one.copy_s for one in found)
    copy = [f"{middle('copy_s'):.1f}", f"{rows / middle('copy_s'):,.0f}", "1"]
    copy += [f"{middle('copy_cpu_s'):.1f}", "", "", ""]
    one = [f"{middle('import_s'):.1f}", f"{rows / middle('import_s'):,.0f}", f"{ratio:.2f}"]
    one += [f"{middle('database_cpu_s'):.1f}", f"{middle('worker_cpu_s'):.1f}"]
    one += [f"{max(getattr(each, name) for each in found):.0f}" for name in ("worker_mib", "web_mib")]
    table = [head, ["bare COPY", *copy], ["import", *one]]
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
