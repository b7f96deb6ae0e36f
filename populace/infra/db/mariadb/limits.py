"""How long a statement, and a transaction without one, may take: by session, since MariaDB has no SET LOCAL."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

SPARE_S = 5
"""Seconds that the driver waits for an answer longer than the server works on it: the server ends it, not we."""


@contextmanager
def limits(connection: BaseDatabaseWrapper, *, statement_s: int, idle_s: int) -> Iterator[None]:
    """Hold a block with other limits than a request's, in seconds; 0 means none. The old ones come back afterwards."""
    connection.ensure_connection()
    driver: Any = connection.connection
    usual = _session(connection), driver._read_timeout
    _set(connection, statement_s, idle_s)
    driver._read_timeout = statement_s + SPARE_S if statement_s else None
    try:
        yield
    finally:
        if connection.connection is driver and driver.open:  # a new connection has the usual ones by itself
            driver._read_timeout = usual[1]
            _set(connection, *usual[0])


@contextmanager
def unlimited(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Hold a block whose statements may take as long as they need."""
    with limits(connection, statement_s=0, idle_s=0):
        yield


def _session(connection: BaseDatabaseWrapper) -> tuple[Any, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@SESSION.max_statement_time, @@SESSION.idle_transaction_timeout")
        [(statement_s, idle_s)] = cursor.fetchall()
    return statement_s, idle_s


def _set(connection: BaseDatabaseWrapper, statement_s: Any, idle_s: Any) -> None:
    driver: Any = connection.connection
    # Past Django's cursor: it refuses to run anything in a transaction that is broken, and this must come back.
    with driver.cursor() as cursor:
        cursor.execute(
            "SET SESSION max_statement_time = %s, idle_transaction_timeout = %s", (float(statement_s), int(idle_s))
        )
