"""Transactions that see, or change, the whole database: for an operator's commands, never for a request."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.models import Model

from populace.infra.db.mariadb.limits import limits
from populace.infra.db.wire import answering

STATEMENT_MS = 600_000  # as long as it takes to count the rows of a large table
ANSWER_S = STATEMENT_MS / 1000 + 1
IDLE_MS = 600_000  # between two statements, while a slow disk takes what was read


@contextmanager
def snapshot(using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Let the block read one moment of the database, whatever is committed meanwhile; nobody waits for it.

    But on SQLite the block can write nothing. Must not stand inside another transaction.
    """
    connection = connections[using]
    mode = getattr(connection, "transaction_mode", None)
    if connection.vendor == "sqlite":
        connection.transaction_mode = "DEFERRED"  # type: ignore[attr-defined]  # the usual one is that of writers
    try:
        with (
            _on_mariadb(using, "ISOLATION LEVEL REPEATABLE READ, READ ONLY"),
            answering(connection, ANSWER_S),
            transaction.atomic(using, durable=True),
        ):
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                    _allow_time(using)
            yield
    finally:
        if connection.vendor == "sqlite":
            connection.transaction_mode = mode  # type: ignore[attr-defined]


@contextmanager
def filling(*models: type[Model], using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Let the block fill tables: one transaction, beside which nobody else writes to those of `models`.

    Others may read them as they were. Waits for whoever writes at most as long as a request would.
    """
    connection = connections[using]
    with (
        _on_mariadb(using, "ISOLATION LEVEL SERIALIZABLE"),
        answering(connection, ANSWER_S),
        transaction.atomic(using, durable=True),
        _unprepared(using),
    ):
        if connection.vendor == "mysql":
            with connection.cursor() as cursor:
                # To lock a table would end the transaction. This locks its rows and the gaps between, also of none.
                for table in (connection.ops.quote_name(model._meta.db_table) for model in models):
                    cursor.execute(f"SELECT COUNT(*) FROM {table} FOR UPDATE")  # noqa: S608
        elif connection.vendor == "postgresql":  # SQLite has one writer at a time in any case
            tables = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in models)
            with connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {tables} IN EXCLUSIVE MODE")
                # Parents come before children here. Checked at the end, each row would be remembered until then.
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            _allow_time(using)
        yield


@contextmanager
def _unprepared(using: str) -> Iterator[None]:
    """Prepare no statement in the block: of those with a thousand rows, server and driver would keep a hundred."""
    connection = connections[using]
    if connection.vendor != "postgresql":
        yield
        return
    driver: Any = connection.connection
    threshold, driver.prepare_threshold = driver.prepare_threshold, None
    try:
        yield
    finally:
        driver.prepare_threshold = threshold


@contextmanager
def _on_mariadb(using: str, mode: str) -> Iterator[None]:
    """Hold one transaction that may take its time: what PostgreSQL is told inside it, MariaDB is told before."""
    connection = connections[using]
    if connection.vendor != "mysql" or connection.in_atomic_block:  # the block behind this will not join that one
        yield
        return
    with limits(connection, statement_s=STATEMENT_MS // 1000, idle_s=IDLE_MS // 1000):
        with connection.cursor() as cursor:
            cursor.execute(f"SET TRANSACTION {mode}")
        yield


def _allow_time(using: str) -> None:
    if connections[using].vendor != "postgresql":
        return
    with connections[using].cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_MS}")
        cursor.execute(f"SET LOCAL idle_in_transaction_session_timeout = {IDLE_MS}")
