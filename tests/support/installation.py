"""A running Populace of the test's own: real web and worker processes, own database, var folder and port."""

import itertools
import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from tests.support.plugin import Session
from tests.support.ports import free_port
from tests.support.processes import BIN, ROOT, environment, start, stop, wait_until

POPULACE = str(BIN / "populace")
BLUEPRINT = "blueprint"
_numbers = itertools.count(1)


def settings_of(var: Path, database: str, port: int) -> dict[str, str]:
    """Return the whole environment of an installation's processes."""
    return environment(
        POPULACE_MODE="local",
        POPULACE_SECRET_KEY="only-for-tests-" + "x" * 50,
        POPULACE_VAR_DIR=str(var),
        POPULACE_RATE_LIMIT="0",  # tests ask fast
        DATABASE_URL=database,
        EMAIL_URL=f"file://{var / 'mail'}",
        FILES_URL=f"file://{var / 'files'}",
        PORT=str(port),
    )


def run(env: dict[str, str], *arguments: str, expected: int = 0) -> str:
    """Run a command of `populace` to its end and return stdout; fails on another exit code than `expected`."""
    command = [POPULACE, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == expected, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def prepared(env: dict[str, str]) -> tuple[str, str]:
    """Migrate an empty database and make an administrator; return the id and a token of scope admin."""
    run(env, "migrate")
    person = ("user", "create", "--email", "administrator@example.com", "--role", "owner")
    owner = json.loads(run(env, *person, "--quiet", "--json"))["id"]
    made = run(env, "token", "create", "--owner", owner, "--name", "tests", "--scope", "admin", "--json")
    return owner, json.loads(made)["secret"]


@cache
def blueprint() -> tuple[str, str]:
    """Prepare, once a session, the database that installations copy: three starts of Python less for each test."""
    file = f"sqlite:///{Session.var / BLUEPRINT}"
    database = Session.server.create(BLUEPRINT) if Session.server else file
    return prepared(settings_of(Session.var, database, free_port()))


def copied_database(var: Path) -> str:
    """Return the URL of a new copy of the blueprint."""
    if Session.server:
        return Session.server.create(f"installation{next(_numbers)}", template=BLUEPRINT)
    shutil.copy(Session.var / BLUEPRINT, var / "populace.sqlite3")
    return f"sqlite:///{var / 'populace.sqlite3'}"


class Installation:
    """`url`, `token` (scope admin), `http` (a client with both), `web` and `worker` (processes), `var`, `env`."""

    def __init__(self, var: Path, **settings: str) -> None:
        """Make database and administrator; nothing runs yet. `settings` win; a DATABASE_URL must be empty."""
        self.var, self.port = var, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        if database := settings.get("DATABASE_URL"):
            self.env = settings_of(var, database, self.port) | settings
            self.administrator_id, self.token = prepared(self.env)
        else:
            self.administrator_id, self.token = blueprint()
            self.env = settings_of(var, copied_database(var), self.port) | settings
        self.http = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=10)
        self.web: subprocess.Popen[bytes] | None = None
        self.worker: subprocess.Popen[bytes] | None = None

    def populace(self, *arguments: str, expected: int = 0) -> str:
        """Run a command beside it; as `run`."""
        return run(self.env, *arguments, expected=expected)

    def populace_json(self, *arguments: str) -> Any:
        """Run a command with `--json` and return what it printed."""
        return json.loads(self.populace(*arguments, "--json"))

    def start_web(self) -> None:
        """Start `populace serve` and wait until it is ready."""
        self.web = self._start("serve", "web.log")
        wait_until(self.ready, f"{self.url}/readyz")

    def start_worker(self) -> None:
        """Start `populace worker`."""
        self.worker = self._start("worker", "worker.log")

    def _start(self, command: str, log: str) -> subprocess.Popen[bytes]:
        with (self.var / log).open("ab") as output:
            return start([POPULACE, command], self.env, stdout=output, stderr=output)

    def ready(self) -> bool:
        if self.web and self.web.poll() is not None:
            raise RuntimeError((self.var / "web.log").read_text())
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """End whatever runs."""
        self.http.close()
        for process in (self.web, self.worker):
            if process:
                stop(process)
