"""`make bench-connections`: ways to the database, and what they cost a GET. See docs/reference/bench.md.

From the environment: ROWS (people, 100,000), ROUNDS (5), SECONDS (of a sample, 2), SAVE (connections).
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psycopg

from bench.cases import USERS_BY_ID, Case
from bench.cpu import pin, used_us
from bench.report import aligned, facts, save
from bench.run import ask, number, write_paths
from bench.stage import OTHER_CORE, Server, Stage, say, servers, stage
from bench.wrk import CONNECTIONS, BadAnswer, Sample, middle, need_wrk, sample
from tests.support.ports import free_port
from tests.support.postgresql import OWNER, unprivileged
from tests.support.processes import environment, start, stop

THREADS = (1, 4, 8)
CASE = Case("get by id", "GET", 200, {"populace": USERS_BY_ID})


@dataclass(frozen=True, slots=True)
class Mode:
    """A way to the database: what follows the URL, whether by PgBouncer, and variables of the server."""

    name: str
    query: str = ""
    pooler: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)


MODES = [
    Mode("a connection per request", "?pool_max=8", variables={"DJANGO_SETTINGS_MODULE": "bench.unkept"}),
    Mode("kept connections"),
    Mode("pool of 2", "?pool_max=2"),
    Mode("pool of 8", "?pool_max=8"),
    Mode("PgBouncer, transactions, unprepared", "?pgbouncer=transaction", pooler=True),
]

# As user postgres it needs no list of users: everybody on this machine is the bench. What a session sets at its start
# belongs to nobody here.
INI = """[databases]
{name} = host=127.0.0.1 port={database_port} dbname={name} user={owner}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 8
max_client_conn = 500
ignore_startup_parameters = extra_float_digits, options
"""


@dataclass(frozen=True)
class PgBouncer:
    process: subprocess.Popen[bytes]
    port: int


@contextmanager
def pgbouncer(stage: Stage) -> Iterator[PgBouncer | None]:
    """Start Debian's PgBouncer before Populace's database and end it; yield None where there is none."""
    program = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    if program is None:
        say("no pgbouncer on this machine: left out")
        yield None
        return
    port, account = free_port(), unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="populace-pgbouncer-", dir="/tmp"))
    ini = folder / "pgbouncer.ini"
    ini.write_text(INI.format(name="populace", owner=OWNER, port=port, database_port=stage.postgresql.port))
    folder.chmod(0o755)
    with (stage.folder / "pgbouncer.log").open("wb") as log:
        process = start([program, str(ini)], environment(), stdout=log, stderr=log, cwd="/", **account)
    pin(process.pid, OTHER_CORE)
    try:
        yield PgBouncer(process, port)
    finally:
        stop(process)
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Seen:
    """Samples of one mode and number of threads; for a request, the µs that were PgBouncer's, and connections made."""

    samples: list[Sample] = field(default_factory=list)
    pooler_us: list[float] = field(default_factory=list)
    connections: list[float] = field(default_factory=list)


def connections_made(stage: Stage) -> int:
    """Return how many connections the database has taken so far."""
    with psycopg.connect(stage.urls["populace"]) as connection:
        row = connection.execute("SELECT sessions FROM pg_stat_database WHERE datname = current_database()").fetchone()
    return int(row[0]) if row else 0


def served(stage: Stage, running: list[Server], paths: Path) -> list[Server]:
    """Return the servers that answer; say which do not."""
    found = []
    for server in running:
        try:
            ask(stage, server, CASE, paths.read_text().partition("\n")[0])
        except BadAnswer:
            say(f"{server.name}, {server.threads} threads: not served")
        else:
            found.append(server)
    return found


def measure(stage: Stage, modes: list[Mode], pooler: PgBouncer | None, rounds: int, seconds: int) -> dict:
    """Return what was seen, by mode and threads; nothing of those that are not served."""
    for mode in modes:
        direct = stage.urls["populace"]
        at = direct.replace(f":{stage.postgresql.port}/", f":{pooler.port}/") if mode.pooler and pooler else direct
        stage.urls[mode.name], stage.variables[mode.name] = at + mode.query, dict(mode.variables)
    paths = write_paths(stage, CASE)["populace"]
    seen: dict[tuple[str, int], Seen] = {}
    with servers(stage, [(mode.name, threads) for mode in modes for threads in THREADS]) as running:
        taking_part = served(stage, running, paths)
        for turn in range(rounds + 1):
            for server in taking_part if turn % 2 else reversed(taking_part):
                before, made = used_us(pooler.process.pid) if pooler else 0, connections_made(stage)
                got = sample(stage, server, CASE, paths, seconds if turn else 1, "")
                if turn:
                    here = seen.setdefault((server.name, server.threads), Seen())
                    here.samples.append(got)
                    here.pooler_us.append((used_us(pooler.process.pid) - before) / got.requests if pooler else 0)
                    here.connections.append((connections_made(stage) - made) / got.requests)
            say(f"round {turn} of {rounds} done" if turn else "warmed up")
    return seen


def page(modes: list[Mode], seen: dict[tuple[str, int], Seen], rows: int, rounds: int, seconds: int, told: str) -> str:
    """Return the table as Markdown."""
    head = ["way to the database", "threads", "requests/s", "CPU µs server", "CPU µs database", "CPU µs PgBouncer"]
    lines = [[*head, "p50 ms", "p99 ms", "connections made"]]
    for mode in modes:
        for threads in THREADS:
            here = seen.get((mode.name, threads))
            if here is None:
                lines.append([mode.name, str(threads), "not served", *[""] * 6])
                continue
            m, pooler_us = middle(here.samples), median(here.pooler_us) if mode.pooler else 0
            figures = [f"{value:,.0f}" for value in (m.per_second, m.server_us, m.database_us, pooler_us)]
            figures += [f"{m.p50_ms:.1f}", f"{m.p99_ms:.1f}", f"{median(here.connections):.2f}"]
            lines.append([mode.name, str(threads), *figures])
    others = median([sample.others for here in seen.values() for sample in here.samples])
    return f"""GET by id, {rows:,} people; {rounds} rounds of {seconds} s, turned each round; {CONNECTIONS} connections
of clients. One granian process each on the first core; PostgreSQL, PgBouncer and wrk on the second. Medians.
Connections made: by the database, for each request.

{aligned(lines, texts=1)}

{told}. Strangers used {others:.0%} of the machine (median; PgBouncer among them).
"""


def main() -> None:
    need_wrk()
    rows, rounds, seconds = number("ROWS", 100_000), number("ROUNDS", 5), number("SECONDS", 2)
    with stage(rows, naive=False) as made, pgbouncer(made) as pooler:
        modes = [mode for mode in MODES if pooler or not mode.pooler]
        seen = measure(made, modes, pooler, rounds, seconds)
        text = page(modes, seen, rows, rounds, seconds, facts(made))
    print(text)
    say(f"written to {save(text, os.environ.get('SAVE') or 'connections')}")


if __name__ == "__main__":
    main()
