"""`populace up` as `make run` starts it, on a free port: everything it makes lies in a folder of the test's own."""

import os
import signal
import subprocess
from pathlib import Path

import httpx

from tests.support.plugin import Session
from tests.support.ports import free_port
from tests.support.processes import BIN, environment, start, stop, wait_until


def empty_database(folder: Path, name: str) -> str:
    """Return the URL of an empty database on this run's engine."""
    return Session.server.create(name) if Session.server else f"sqlite:///{folder / name}.sqlite3"


class Supervised:
    """One var folder, one database, one port; `start()` is `make run` without the packages."""

    def __init__(self, folder: Path, *, database: str, demo: int = 0) -> None:
        self.var, self.log, self.port, self.database = folder / "var", folder / "log", free_port(), database
        self.env = environment(
            POPULACE_VAR_DIR=str(self.var),
            EMAIL_URL=f"file://{self.var / 'mail'}",
            DATABASE_URL=database,
            PORT=str(self.port),
            DEMO=str(demo),
            POPULACE_WEB_PROCESSES="2",
        )
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def use_port(self, port: int) -> None:
        """From the next start on, serve on `port`."""
        self.port, self.env["PORT"] = port, str(port)

    def start(self) -> None:
        """Start it in a process group of its own and return when it answers."""
        command = [str(BIN / "populace"), "up"]
        with self.log.open("ab") as log:
            self.process = start(command, self.env, stdout=log, stderr=log, start_new_session=True)
        wait_until(self.answers, f"{self.url} answers; {self.log}", 60)

    def runs(self) -> bool:
        """Tell whether the supervisor runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> int:
        """End it by SIGTERM to the supervisor alone; returns its exit code."""
        return stop(self.process, signal.SIGTERM, timeout_s=15)

    def answers(self) -> bool:
        """Tell whether the API answers; raises AssertionError with the log when the supervisor has ended."""
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command of `populace` in a shell beside it, which knows the var folder only."""
        env = {name: value for name, value in self.env.items() if name != "DATABASE_URL"}
        return subprocess.run([str(BIN / "populace"), *arguments], env=env, capture_output=True, text=True, timeout=60)

    def credentials(self) -> dict[str, str]:
        lines = (self.var / "credentials.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def client(self) -> httpx.Client:
        """Return an HTTP client with the administrator's token; each request has a connection of its own."""
        headers = {"Authorization": f"Bearer {self.credentials()['POPULACE_TOKEN']}", "Connection": "close"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=15)

    def child(self, command: str) -> int:
        """Return the process id of the supervisor's `serve` or `worker`, once it runs."""
        return wait_until(lambda: _with_word(children_of(self.process.pid), command), f"{command} runs")

    def processes(self) -> list[int]:
        """Return the ids of the supervisor and everything below it."""
        return descendants_of(self.process.pid)


def descendants_of(pid: int) -> list[int]:
    """Return the process and everything below it."""
    return [pid, *(below for child in children_of(pid) for below in descendants_of(child))]


def children_of(pid: int) -> list[int]:
    """Return the ids of the process's children, whichever thread made them."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for thread in threads for child in _read(thread).split()]


def is_alive(pid: int) -> bool:
    """Tell whether the process runs; one that only waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in _read(Path(f"/proc/{pid}/status"))


def _with_word(pids: list[int], word: str) -> int | None:
    return next((pid for pid in pids if word in _read(Path(f"/proc/{pid}/cmdline")).split("\0")), None)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
