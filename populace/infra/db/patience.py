"""Statements of an operator's command, which may take longer than a request's."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from populace.infra.db.wire import answering

TIMEOUT_MS = 60_000


@contextmanager
def patient(using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Run the block in a transaction whose statements may take a minute each, instead of a request's few seconds."""
    connection = connections[using]
    with answering(connection, TIMEOUT_MS / 1000 + 1), transaction.atomic(using):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {TIMEOUT_MS}")
        yield
