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

SUFFIX = {"postgresql": "dump", "sqlite": "sqlite3"}
NOT_LIBPQ = {"password", "options", "context", "prepare_threshold", "cursor_factory"}
"""Parts of a connection's settings that pg_dump is not given: a command line can be read by everybody."""


class BackupFailed(Exception):
    """The engine made no copy; the message says why."""


def suffix() -> str:
    """Return how the name of a backup ends."""
    return SUFFIX[connections[_alias()].vendor]


def copy(path: Path) -> None:
    """Write the database as of one moment into the file, which must be there and empty; nobody waits for it.

    PostgreSQL: what `pg_restore` reads; SQLite: a database. Raises BackupFailed.
    """
    if connections[_alias()].vendor == "postgresql":
        _dump(path)
    else:
        _copy_sqlite(path)


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
    program = shutil.which("pg_dump")
    if program is None:
        raise BackupFailed("pg_dump is not on PATH: install PostgreSQL's client programs, of the server's version")
    params: dict[str, Any] = connections[_alias()].get_connection_params()
    place = make_conninfo(**{name: value for name, value in params.items() if name not in NOT_LIBPQ})
    done = subprocess.run(  # noqa: S603 (our own words)
        [program, "--format=custom", "--no-password", f"--file={path}", f"--dbname={place}"],
        env=os.environ | ({"PGPASSWORD": params["password"]} if params.get("password") else {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise BackupFailed(f"pg_dump: {' '.join(done.stderr.split()) or done.returncode}")
