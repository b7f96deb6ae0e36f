"""A copy of the whole database in one file, by the engine's own means."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

from django.db import connections
from psycopg.conninfo import make_conninfo

SUFFIX = {"postgresql": "dump", "mysql": "sql", "sqlite": "sqlite3"}
NOT_LIBPQ = {"password", "options", "context", "prepare_threshold", "cursor_factory"}
"""Parts of a connection's settings that pg_dump is not given: a command line can be read by everybody."""


class BackupFailed(Exception):
    """The engine made no copy; the message says why."""


def suffix() -> str:
    """Return how the name of a backup ends."""
    return SUFFIX[connections[_alias()].vendor]


def copy(path: Path) -> None:
    """Write the database as of one moment into the file, which must be there and empty; nobody waits for it.

    PostgreSQL: what `pg_restore` reads; MariaDB: what `mariadb` reads; SQLite: a database. Raises BackupFailed.
    """
    {"postgresql": _dump, "mysql": _dump_mariadb, "sqlite": _copy_sqlite}[connections[_alias()].vendor](path)


def _alias() -> str:
    return "owner" if "owner" in connections else "default"  # the role of the requests reads no partition of the log


def _copy_sqlite(path: Path) -> None:
    connection = connections[_alias()]
    connection.ensure_connection()
    source: sqlite3.Connection = connection.connection
    with closing(sqlite3.connect(path)) as target:
        # In one step: in several it would begin anew whenever somebody writes in between.
        source.backup(target, pages=-1)


def _dump(path: Path) -> None:
    params: dict[str, Any] = connections[_alias()].get_connection_params()
    place = make_conninfo(**{name: value for name, value in params.items() if name not in NOT_LIBPQ})
    options = ["--format=custom", "--no-password", f"--file={path}", f"--dbname={place}"]
    _run("pg_dump", "PostgreSQL", options, {"PGPASSWORD": params.get("password")})


OF_MARIADB = ("host", "port", "user", "unix_socket", "ssl_ca", "ssl_cert", "ssl_key")
"""Parts of a connection's settings that mariadb-dump is given, by its own names."""


def _dump_mariadb(path: Path) -> None:
    params: dict[str, Any] = connections[_alias()].get_connection_params()
    place = [
        f"--{name.removeprefix('unix_').replace('_', '-')}={params[name]}" for name in OF_MARIADB if params.get(name)
    ]
    if params.get("ssl_verify_identity"):
        place.append("--ssl-verify-server-cert")
    # No defaults: somebody's file of options could leave rows out. One moment, and nobody waits: one transaction.
    options = ["--no-defaults", *place, "--single-transaction", "--hex-blob", "--skip-tz-utc", f"--result-file={path}"]
    _run("mariadb-dump", "MariaDB", [*options, params["database"]], {"MYSQL_PWD": params.get("password")})


def _run(name: str, engine: str, options: list[str], secrets: dict[str, Any]) -> None:
    program = shutil.which(name)
    if program is None:
        raise BackupFailed(f"{name} is not on PATH: install {engine}'s client programs, of the server's version")
    done = subprocess.run(  # noqa: S603 (our own words)
        [program, *options],
        env=os.environ | {variable: value for variable, value in secrets.items() if value},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise BackupFailed(f"{name}: {' '.join(done.stderr.split()) or done.returncode}")
