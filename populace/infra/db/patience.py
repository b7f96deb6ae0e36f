"""Statements of an operator's command, which may take longer than a request's."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from populace.infra.db.mariadb.limits import limits
from populace.infra.db.wire import answering

TIMEOUT_MS = 60_000


@contextmanager
def patient(using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Run the block in a transaction whose statements may take a minute each, instead of a request's few seconds."""
    connection = connections[using]
    idle_s = 2 * TIMEOUT_MS // 1000
    on_mariadb = connection.vendor == "mysql"
    time = limits(connection, statement_s=TIMEOUT_MS // 1000, idle_s=idle_s) if on_mariadb else nullcontext()
    with time, answering(connection, TIMEOUT_MS / 1000 + 1), transaction.atomic(using):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {TIMEOUT_MS}")
        yield
