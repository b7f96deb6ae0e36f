"""A real PgBouncer of our own, configured as we ship it: a free loopback port, a temporary folder, no root."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from tests.support.ports import free_port
from tests.support.postgresql import NotThere, unprivileged
from tests.support.processes import ROOT, environment, start, stop, wait_until

SHIPPED = ROOT / "deploy" / "pgbouncer" / "pgbouncer.ini"


def program() -> str:
    """Return the path of PgBouncer; raises NotThere."""
    if found := shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin"):
        return found
    raise NotThere("PgBouncer is not installed")


def version() -> tuple[int, int]:
    """Return its version, as (1, 18)."""
    told = subprocess.run([program(), "--version"], env=environment(), capture_output=True, text=True).stdout
    major, minor = re.findall(r"\d+", told)[:2]
    return int(major), int(minor)


class PgBouncer:
    """In front of one database: `url` is where to connect instead."""

    def __init__(self, database_url: str, *, limits: bool = True, **settings: str) -> None:
        """Prepare to stand before `database_url`, whose server trusts us; `settings` win over those we ship.

        Without `limits` it sets none on its sessions.
        """
        found = re.fullmatch(r"postgres://(\w+)@127\.0\.0\.1:(\d+)/(\w+)", database_url)
        assert found
        user, self.port_behind, self.database = found.groups()
        self.program, self.as_user = program(), unprivileged()
        self.folder = Path(tempfile.mkdtemp(prefix="populace-bouncer-", dir="/tmp"))
        self.port = free_port()
        self.url = f"postgres://{user}@127.0.0.1:{self.port}/{self.database}"
        (self.folder / "users").write_text(f'"{user}" ""\n')
        text = self.configuration(settings)
        (self.folder / "ini").write_text(text if limits else re.sub(" connect_query='[^']*'", "", text))
        for path in (self.folder, *self.folder.iterdir()):
            if self.as_user:
                os.chown(path, self.as_user["user"], self.as_user["group"])

    def configuration(self, settings: dict[str, str]) -> str:
        """Return what we ship, with this place's names."""
        own = {"listen_port": str(self.port), "auth_type": "trust", "auth_file": str(self.folder / "users")} | settings
        text = SHIPPED.read_text().replace("port=5432", f"port={self.port_behind}")
        text = re.sub(
            r"^populace = (.*) dbname=populace", rf"{self.database} = \1 dbname={self.database}", text, flags=re.M
        )
        for name, value in own.items():
            text = re.sub(rf"^{name} =.*\n", "", text, flags=re.M) + f"{name} = {value}\n"
        return text

    def __enter__(self) -> Self:
        with (self.folder / "log").open("wb") as log:
            options = {"cwd": "/", "stdout": log, "stderr": log, **self.as_user}
            self.process = start([self.program, str(self.folder / "ini")], environment(), **options)
        wait_until(self.listens, f"PgBouncer listens: {self.folder / 'log'}")
        return self

    def __exit__(self, *error: object) -> None:
        stop(self.process, signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)

    def listens(self) -> bool:
        """Tell whether it takes connections; raises RuntimeError with its log when it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError((self.folder / "log").read_text())
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True
