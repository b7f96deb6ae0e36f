"""What really stands between us and PostgreSQL, and which limits our sessions have: for `populace doctor`."""

from typing import Any, NamedTuple

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper

TRIES = 5  # somebody else's statement may come in between
PROBE = b"populace_probe"


class Between(NamedTuple):
    """A pooler, if `is_there`; whether each transaction may meet another session, and whether what we prepare lasts."""

    is_there: bool
    by_transaction: bool
    keeps_prepared: bool


def between(connection: BaseDatabaseWrapper) -> Between:
    """Look who answers on two connections of our own. Raises psycopg's errors."""
    params: dict[str, Any] = connection.get_connection_params() | {"prepare_threshold": None, "autocommit": True}
    with psycopg.connect(**params) as one, psycopg.connect(**params) as other:
        if one.info.backend_pid == _pid(one):  # who told it when connecting is who answers
            return Between(False, False, True)
        shared = any(_pid(one) == _pid(other) for _ in range(TRIES))
        return Between(True, shared, not shared or _is_renamed(one))


def _pid(driver: psycopg.Connection[Any]) -> int:
    row = driver.execute("SELECT pg_backend_pid()").fetchone()
    return int(row[0]) if row else 0


def _is_renamed(driver: psycopg.Connection[Any]) -> bool:
    """Tell whether the pooler prepares our statements under names of its own, again wherever they are wanted."""
    with driver.transaction():  # all of it in one session
        driver.pgconn.prepare(PROBE, b"SELECT 1")
        found = driver.execute("SELECT FROM pg_prepared_statements WHERE name = %s", [PROBE.decode()]).fetchone()
        driver.pgconn.close_prepared(PROBE)
    return found is None


def setting(connection: BaseDatabaseWrapper, name: str) -> str:
    """Return a setting as it is in force; times and sizes in their base unit, such as milliseconds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT setting FROM pg_settings WHERE name = %s", [name])
        return str(cursor.fetchone()[0])


def room(connection: BaseDatabaseWrapper) -> int:
    """Return how many connections the server takes from ordinary roles."""
    return int(setting(connection, "max_connections")) - int(setting(connection, "superuser_reserved_connections"))
