"""Where the benches play: a PostgreSQL of their own, filled, and the servers in front of it. All goes at the end."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bench.cpu import pin
from tests.support.ports import free_port
from tests.support.postgresql import PostgreSQL
from tests.support.processes import BIN, ROOT, environment, start, stop, wait_until

# Durable as in production (fsync stays on), but nothing of its own accord in the middle of a sample.
POSTGRESQL = {"shared_buffers": "2GB", "max_wal_size": "16GB", "checkpoint_timeout": "1h", "autovacuum": "off"}

APPLICATIONS = {
    "newcomer": "bench.naive.wsgi:application",
    "naive": "bench.naive.wsgi:application",
    "populace": "config.wsgi:application",
    "limit": "bench.limit.app:application",
}
MIGRATE = {
    "naive": [str(BIN / "django-admin"), "migrate", "--verbosity", "0", "--pythonpath", str(ROOT)],
    "populace": [str(BIN / "populace"), "migrate"],
}
LOAD = [sys.executable, "-m", "bench.load"]

# The same for all: one process, no access log; how many threads run Python is said where a server is started.
GRANIAN = ["--interface", "wsgi", "--workers", "1", "--runtime-threads", "1"]
GRANIAN += ["--no-ws", "--no-access-log", "--log-level", "warning", "--host", "127.0.0.1"]

# Servers on the first core; database and wrk on the second, where there is one.
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, OTHER_CORE = CORES[0], CORES[:2][-1]


def say(text: str) -> None:
    """Tell the person at the terminal what goes on; the table goes to stdout."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


@dataclass
class Stage:
    """A filled database server and a folder for what the servers write; `token` opens every server.

    A server of `urls` that APPLICATIONS does not name is one more Populace, with another database or way to it.
    `variables` are those of one server that differ, `authorizations` headers where a Bearer's would not do.
    """

    folder: Path
    postgresql: PostgreSQL
    rows: int
    token: str = ""
    urls: dict[str, str] = field(default_factory=dict)
    variables: dict[str, dict[str, str]] = field(default_factory=dict)
    authorizations: dict[str, str] = field(default_factory=dict)

    def authorization(self, server: "Server") -> str:
        """Return the header that opens a server."""
        return self.authorizations.get(server.name) or f"Bearer {self.token}"

    def environment_of(self, server: str, port: int = 8000) -> dict[str, str]:
        """Return the whole environment of a process of `server`, one of `urls`."""
        if server in ("naive", "newcomer"):
            own = {"DJANGO_SETTINGS_MODULE": "bench.naive.settings"}
        else:
            own = {
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "POPULACE_MODE": "local",
                "POPULACE_SECRET_KEY": "bench",
                "POPULACE_RATE_LIMIT": "0",
                "POPULACE_VAR_DIR": str(self.folder / "var"),
                "EMAIL_URL": f"file://{self.folder}/mail",
                "PORT": str(port),
            }
        own |= self.variables.get(server, {})
        return environment(DATABASE_URL=self.urls[server], BENCH_TOKEN=self.token, **own)

    def run(self, server: str, command: list[str], **variables: str) -> str:
        """Run a command with the settings of `server` and return what it prints; what went wrong is shown."""
        env = self.environment_of(server) | variables
        return subprocess.run(command, cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout

    def fill(self, project: str) -> str:
        """Make the tables and the people of `project`; return what the loader prints."""
        began = time.monotonic()
        self.run(project, MIGRATE[project])
        printed = self.run(project, [*LOAD, project, str(self.rows)]).strip()
        say(f"{project}: {self.rows:,} people in {time.monotonic() - began:.0f} s")
        return printed


@contextmanager
def stage(rows: int, *, naive: bool = True) -> Iterator[Stage]:
    """Start PostgreSQL, fill Populace's and naive's databases with `rows` people, and remove all of it in the end."""
    folder = Path(tempfile.mkdtemp(prefix="populace-bench-"))
    (folder / "var").mkdir()
    postgresql = PostgreSQL(**POSTGRESQL)
    try:
        projects = ["populace", "naive"] if naive else ["populace"]
        made = Stage(folder, postgresql, rows, urls={project: postgresql.create(project) for project in projects})
        made.urls["limit"] = made.urls["populace"]
        made.urls |= {"newcomer": made.urls["naive"]} if naive else {}
        with ThreadPoolExecutor() as pool:
            made.token = next(pool.map(made.fill, projects))
        if naive:
            admit(made)
        yield made
    finally:
        postgresql.stop()
        shutil.rmtree(folder, ignore_errors=True)


def admit(stage: Stage) -> None:
    """Give the naive project the token that opens Populace."""
    with psycopg.connect(stage.urls["naive"]) as connection:
        digest = hashlib.sha256(stage.token.encode()).hexdigest()
        connection.execute("INSERT INTO naive_token (digest, user_id) VALUES (%s, 1)", [digest])


@dataclass(frozen=True)
class Server:
    """A running server: its name, where it listens, the process whose tree is measured, and its log."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path
    threads: int = 1

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def start_server(stage: Stage, name: str, threads: int = 1) -> Server:
    """Start one server; it may not answer yet."""
    port, log = free_port(), stage.folder / f"{name}-{threads}.log"
    application = APPLICATIONS.get(name) or APPLICATIONS["populace"]
    command = [str(BIN / "granian"), *GRANIAN, "--blocking-threads", str(threads), "--port", str(port), application]
    with log.open("wb") as file:
        process = start(command, stage.environment_of(name, port), stdout=file, stderr=file)
    return Server(name, port, process, log, threads)


@contextmanager
def servers(stage: Stage, wanted: Iterable[tuple[str, int]]) -> Iterator[list[Server]]:
    """Start servers (name, threads); see `on_cores`."""
    with on_cores(stage, [start_server(stage, name, threads) for name, threads in wanted]) as running:
        yield running


@contextmanager
def on_cores(stage: Stage, running: list[Server]) -> Iterator[list[Server]]:
    """Wait for started servers, put each on SERVER_CORE and the database on OTHER_CORE, and end them afterwards."""
    try:
        for server in running:
            wait_until(lambda server=server: listens(server), f"{server.name} listens")
        for server in running:
            pin(server.process.pid, SERVER_CORE)
        pin(stage.postgresql.process.pid, OTHER_CORE)
        yield running
    finally:
        for server in running:
            stop(server.process)


def listens(server: Server) -> bool:
    """Tell whether the server takes connections; raise RuntimeError with its log when it has ended."""
    if server.process.poll() is not None:
        raise RuntimeError(f"{server.name} ended:\n{server.log.read_text()}")
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", server.port)) == 0
