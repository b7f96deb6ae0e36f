"""Partitions by month, made ahead of time; on PostgreSQL only."""

from datetime import UTC, date, datetime
from zlib import crc32

from django.db import DEFAULT_DB_ALIAS, IntegrityError, OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from populace.infra.db.operations import default_partition

LOCK_TIMEOUT_MS = 1000  # less than a request waits for a lock (config/engines.py): no insert fails because of us


def ensure_month_partitions(
    model: type[Model],
    column: str,
    *,
    months_ahead: int = 3,
    using: str = DEFAULT_DB_ALIAS,
    today: date | None = None,
) -> list[str]:
    """Make the partitions of this month (UTC) and the next `months_ahead`; return the names of those made.

    For a table of CreatePartitionedModel, split by `column`. Safe to call at any time and from many processes: one at
    a time works, the others return at once. A month whose rows already came is left to the default partition, and so
    is one whose lock was not to be had; the next call tries again. `using` names a role that owns the table.
    """
    connection = connections[using]
    if connection.vendor != "postgresql":
        return []
    table = model._meta.db_table
    first = (today or datetime.now(UTC).date()).replace(day=1)
    months = [month_after(first, number) for number in range(months_ahead + 1)]
    with transaction.atomic(using):
        if not alone(connection, table):
            return []
        there = partitions_of(connection, table)
        missing = {name: month for month in months if (name := f"{table}_{month:%Y_%m}") not in there}
        return [name for name, month in missing.items() if made(connection, table, name, column, month)]


def missing_months(
    model: type[Model], *, months_ahead: int = 1, using: str = DEFAULT_DB_ALIAS, today: date | None = None
) -> list[str]:
    """Return the names of the partitions of this month and the next ones that are not there.

    Nothing fails without them: the default partition takes the rows. But it grows, and is not dropped month by month.
    """
    connection = connections[using]
    if connection.vendor != "postgresql":
        return []
    table = model._meta.db_table
    first = (today or datetime.now(UTC).date()).replace(day=1)
    there = partitions_of(connection, table)
    names = [f"{table}_{month_after(first, number):%Y_%m}" for number in range(months_ahead + 1)]
    return [name for name in names if name not in there]


def month_after(first: date, number: int) -> date:
    """Return the first day of the month `number` months after `first`."""
    months = first.year * 12 + first.month - 1 + number
    return date(months // 12, months % 12 + 1, 1)


def alone(connection: BaseDatabaseWrapper, table: str) -> bool:
    """Take the lock of this work until the transaction ends, and bound its waiting; False if another process has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [crc32(f"partitions of {table}".encode())])
        [[taken]] = cursor.fetchall()
        cursor.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
    return bool(taken)


def partitions_of(connection: BaseDatabaseWrapper, table: str) -> set[str]:
    """Return the names of the partitions there are."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid WHERE inhparent = %s::regclass",
            [connection.ops.quote_name(table)],
        )
        return {name for (name,) in cursor.fetchall()}


def made(connection: BaseDatabaseWrapper, table: str, name: str, column: str, month: date) -> bool:
    """Make one partition; False if the month must stay in the default partition for now."""
    quote = connection.ops.quote_name
    bounds = [f"{day} 00:00:00+00" for day in (month, month_after(month, 1))]
    rows = f"SELECT FROM {quote(default_partition(table))} WHERE {quote(column)} >= %s AND {quote(column)} < %s"
    try:
        with transaction.atomic(connection.alias), connection.cursor() as cursor:
            cursor.execute(f"SELECT EXISTS ({rows})", bounds)
            if cursor.fetchall() == [(True,)]:
                return False
            # Attached, not created as a partition: that would lock out every reader and writer of the whole table.
            # What is locked is the default partition, while it is searched for rows of this month once more.
            cursor.execute(f"CREATE TABLE {quote(name)} (LIKE {quote(table)} INCLUDING ALL)")
            cursor.execute(
                f"ALTER TABLE {quote(table)} ATTACH PARTITION {quote(name)} FOR VALUES FROM (%s) TO (%s)", bounds
            )
    except (IntegrityError, OperationalError):  # a row came meanwhile; the lock or the time was not to be had
        return False
    return True
