"""A real PostgreSQL server of our own: a free loopback port, a temporary folder, no root."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.support.ports import free_port
from tests.support.processes import children, dies_with_parent, environment, stop, wait_until

OWNER = "populace"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_min_messages": "fatal",
}


UNSYNCED = {"fsync": "off", "full_page_writes": "off"}
"""For tests, which kill processes and never the machine: what is written survives all the same, and sooner."""


class NotThere(RuntimeError):
    """This machine cannot run PostgreSQL; the message says what it lacks."""


def binaries() -> Path:
    """Return the folder of the newest PostgreSQL programs; raises NotThere."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    on_path = [Path(found).resolve().parent] if (found := shutil.which("postgres")) else []
    for folder in [*reversed(installed), *on_path]:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise NotThere("PostgreSQL: no initdb and postgres on PATH or in /usr/lib/postgresql")


def unprivileged() -> dict[str, Any]:
    """Return Popen's options for the user the server runs as: PostgreSQL refuses root. Raises NotThere."""
    if os.geteuid() != 0:
        return {}
    try:
        account = pwd.getpwnam("postgres")
    except KeyError:
        raise NotThere("PostgreSQL: the tests run as root and there is no user postgres to run it as") from None
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


class PostgreSQL:
    """One server with the superuser `populace`; connections from this machine need no password."""

    def __init__(self, **settings: str) -> None:
        """Make an empty cluster and start it with `settings` on top of SETTINGS; raises NotThere."""
        self.bin, self._as = binaries(), unprivileged()
        # Not pytest's tmp_path: that one is closed to every other user.
        self.folder = Path(tempfile.mkdtemp(prefix="populace-pg-", dir="/tmp"))
        if self._as:
            os.chown(self.folder, self._as["user"], self._as["group"])
        self.port = free_port()
        self._run(
            "initdb", "-N", "-D", str(self.folder / "data"), "-U", OWNER, "-A", "trust", "-E", "UTF8", "--locale=C"
        )
        self.settings = SETTINGS | settings
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self.bin / program), *arguments],
            check=True,
            capture_output=True,
            cwd="/",
            env=environment(),
            **self._as,
        )

    def start(self) -> None:
        """Start it, also again after `stop_process`, on the same port and data; returns when it takes connections."""
        options = [part for name, value in self.settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [str(self.bin / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), *options],
                cwd="/",
                env=environment(),
                stdout=log,
                stderr=log,
                preexec_fn=dies_with_parent(signal.SIGINT),
                **self._as,
            )
        wait_until(self.answers, "PostgreSQL answers")

    def answers(self) -> bool:
        """Tell whether it takes connections; raises RuntimeError with its log when it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError((self.folder / "log").read_text())
        ready = [str(self.bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", OWNER]
        return subprocess.run(ready, env=environment()).returncode == 0

    def url(self, database: str) -> str:
        """Return the DATABASE_URL of one of its databases."""
        return f"postgres://{OWNER}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, template: str = "template1") -> str:
        """Make a database, a copy of `template` (which nobody may be connected to), and return its URL."""
        place = ("-h", "127.0.0.1", "-p", str(self.port), "-U", OWNER)
        self._run("createdb", *place, "-T", template, database)
        return self.url(database)

    def pause(self) -> None:
        """Stop all its processes in mid-word, as a machine that swaps or a host that is frozen does (Linux only)."""
        os.kill(self.process.pid, signal.SIGSTOP)  # first, so that it starts no more of them
        for pid in children(self.process.pid):
            os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let them go on."""
        for pid in [*children(self.process.pid), self.process.pid]:
            os.kill(pid, signal.SIGCONT)

    def stop_process(self) -> None:
        """End the server with SIGINT: SIGTERM would wait for every client."""
        stop(self.process, signal.SIGINT)

    def stop(self) -> None:
        """End the server and remove its folder."""
        self.stop_process()
        shutil.rmtree(self.folder, ignore_errors=True)
