"""`populace doctor`: is this installation in order?"""

import os
from collections.abc import Iterator
from typing import NamedTuple

from django.conf import settings
from django.core.checks import WARNING, run_checks
from django.db import Error, connections
from django.db.migrations.executor import MigrationExecutor

from populace.cli.directory import first_line


class Finding(NamedTuple):
    """One thing looked at."""

    check: str
    ok: bool
    detail: str


def findings() -> Iterator[Finding]:
    """Yield what each check found; the schema is not asked about where the database does not answer."""
    yield _settings()
    database = _database()
    yield database
    if database.ok:
        yield _schema()
    yield _folder()


def _settings() -> Finding:
    # Reading them has refused the unsafe ones already; this is what Django's own checks add.
    messages = [message for message in run_checks() if message.level >= WARNING and not message.is_silenced()]
    return Finding(
        "settings", not messages, "; ".join(str(message.id) for message in messages) or f"{settings.MODE} mode"
    )


def _database() -> Finding:
    connection = connections["default"]
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        return Finding("database", False, first_line(error))
    return Finding("database", True, connection.vendor)


def _schema() -> Finding:
    executor = MigrationExecutor(connections["default"])
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return Finding(
        "schema", not missing, f"{len(missing)} migrations to run: populace migrate" if missing else "current"
    )


def _folder() -> Finding:
    var = settings.VAR_DIR
    return Finding("var", os.access(var, os.W_OK | os.X_OK), str(var))
