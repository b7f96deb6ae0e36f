"""A real MariaDB server of our own: a free loopback port, a temporary folder, no root; nothing outlives it."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pymysql

from tests.support.ports import free_port
from tests.support.postgresql import NotThere
from tests.support.processes import dies_with_parent, environment, stop, wait_until

OWNER = "populace"
TEMPLATE = "template1"
# What a crash would lose is no loss here: every test database is made anew.
SETTINGS = {
    "bind-address": "127.0.0.1",
    "skip-name-resolve": "",
    "skip-log-bin": "",
    "max-connections": "200",
    "innodb-flush-log-at-trx-commit": "0",
    "innodb-flush-method": "nosync",
    "innodb-doublewrite": "0",
    "innodb-log-file-size": "32M",
    "innodb-buffer-pool-size": "128M",
}


def programs() -> dict[str, str]:
    """Return where the server, the program that makes its folder, and its client programs are; raises NotThere."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    names = ("mariadbd", "mariadb-install-db", "mariadb", "mariadb-dump")
    found = {name: shutil.which(name, path=path) for name in names}
    if lacking := [name for name, place in found.items() if place is None]:
        raise NotThere(f"MariaDB: no {', '.join(lacking)} on PATH or in /usr/sbin")
    return {name: place for name, place in found.items() if place}


def unprivileged() -> dict[str, Any]:
    """Return Popen's options for the user the server runs as: MariaDB refuses root. Raises NotThere."""
    if os.geteuid() != 0:
        return {}
    try:
        account = pwd.getpwnam("mysql")
    except KeyError:
        raise NotThere("MariaDB: the tests run as root and there is no user mysql to run it as") from None
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


class Connection(pymysql.Connection):
    """A connection that tests use like those of the other engines."""

    def execute(self, statement: str) -> Any:
        cursor = self.cursor()
        cursor.execute(statement)
        return cursor


def connected(url: str) -> Connection:
    """Return a connection, with a transaction of its own, to what a DATABASE_URL names."""
    parts = urlsplit(url)
    return Connection(
        user=parts.username,
        host=parts.hostname,
        port=parts.port,
        database=parts.path.lstrip("/"),
        collation="utf8mb4_bin",
    )


class MariaDB:
    """One server whose user `populace` may do everything from this machine without a password."""

    def __init__(self, **settings: str) -> None:
        """Make an empty server and start it with `settings` on top of SETTINGS; raises NotThere."""
        self.programs, self._as = programs(), unprivileged()
        # Not pytest's tmp_path: that one is closed to every other user, and too long a path for a socket.
        self.folder = Path(tempfile.mkdtemp(prefix="populace-my-", dir="/tmp"))
        if self._as:
            os.chown(self.folder, self._as["user"], self._as["group"])
        self.port = free_port()
        self.settings = SETTINGS | settings
        self._run(
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
        )
        self.start()
        self._ask(
            f"CREATE USER '{OWNER}'@'127.0.0.1'",
            f"GRANT ALL ON *.* TO '{OWNER}'@'127.0.0.1' WITH GRANT OPTION",
            user="root",
            unix_socket=str(self.socket),
        )

    @property
    def socket(self) -> Path:
        return self.folder / "socket"

    def _run(self, program: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        command = [self.programs[program], *arguments]
        options = {"check": True, "capture_output": True, "cwd": "/"} | options
        return subprocess.run(command, env=environment(), **self._as, **options)

    def _ask(self, *statements: str, **place: Any) -> None:
        place = place or {"user": OWNER, "host": "127.0.0.1", "port": self.port}
        with closing(pymysql.connect(**place)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def start(self) -> None:
        """Start it, also again after `stop_process`, on the same port and data; returns when it takes connections."""
        options = [f"--{name}={value}" if value else f"--{name}" for name, value in self.settings.items()]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    self.programs["mariadbd"],
                    "--no-defaults",
                    f"--datadir={self.folder / 'data'}",
                    f"--port={self.port}",
                    f"--socket={self.socket}",
                    f"--pid-file={self.folder / 'pid'}",
                    *options,
                ],
                cwd="/",
                env=environment(),
                stdout=log,
                stderr=log,
                preexec_fn=dies_with_parent(signal.SIGKILL),
                **self._as,
            )
        wait_until(self.answers, "MariaDB answers")

    def answers(self) -> bool:
        """Tell whether it takes connections; raises RuntimeError with its log when it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError((self.folder / "log").read_text())
        try:
            pymysql.connect(unix_socket=str(self.socket), user="nobody").close()
        except pymysql.OperationalError as error:
            return bool(error.args[0] == 1045)  # it is there, and knows nobody of that name
        return True

    def url(self, database: str) -> str:
        """Return the DATABASE_URL of one of its databases."""
        return f"mysql://{OWNER}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, template: str = TEMPLATE) -> str:
        """Make a database, a copy of `template` (TEMPLATE: an empty one), and return its URL."""
        self._ask(f"CREATE DATABASE `{database}` CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin")
        if template != TEMPLATE:
            place = (f"--socket={self.socket}", "-u", "root")
            dump = self._run("mariadb-dump", "--no-defaults", *place, "--single-transaction", template)
            self._run("mariadb", "--no-defaults", *place, database, input=dump.stdout)
        return self.url(database)

    def stop_process(self) -> None:
        """End the server as an operator does."""
        stop(self.process, signal.SIGTERM)

    def stop(self) -> None:
        """End the server at once and remove its folder."""
        stop(self.process, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)
