"""What the role of the requests may do, where another one owns the tables; on PostgreSQL only."""

from collections.abc import Sequence

from django.db import connections, transaction
from django.db.models import Model

from populace.infra.db.partitions import partitions_of

READ_AND_WRITE = "SELECT, INSERT, UPDATE, DELETE"


def grant(role: str, *, log: type[Model], changeable: Sequence[str], using: str) -> None:
    """Give `role` every row of every table to read and write, but of `log` only to add and to read.

    Of the log's rows it may change the columns `changeable` alone, and it reaches them through the whole table, never
    through a partition. All in one transaction: nobody sees the log open in between. `using` names the owner.
    """
    connection = connections[using]
    if connection.vendor != "postgresql":
        return
    quote, table = connection.ops.quote_name, log._meta.db_table
    columns = ", ".join(quote(log._meta.get_field(name).column) for name in changeable)  # type: ignore[union-attr, arg-type]
    with transaction.atomic(using), connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        [[schema]] = cursor.fetchall()
        place, to = f"IN SCHEMA {quote(schema)}", f"TO {quote(role)}"
        cursor.execute(f"GRANT USAGE ON SCHEMA {quote(schema)} {to}")
        cursor.execute(f"GRANT {READ_AND_WRITE} ON ALL TABLES {place} {to}")
        cursor.execute(f"GRANT SELECT, USAGE ON ALL SEQUENCES {place} {to}")
        for name in (table, *partitions_of(connection, table)):
            cursor.execute(f"REVOKE ALL ON {quote(name)} FROM {quote(role)}")
        cursor.execute(f"GRANT SELECT, INSERT, UPDATE ({columns}) ON {quote(table)} {to}")
