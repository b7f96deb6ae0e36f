"""What the database would do for a Compiled, so that a test can name the indexes."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.sql import Literal

from populace.infra.db.compiled import Compiled
from populace.infra.db.patience import patient


@dataclass(frozen=True)
class Plan:
    """A plan: `indexes` it uses, `scanned` tables it reads from end to end, `sorts` if it sorts anything.

    With `run`: `read` how many rows of each table it has looked at, shown or not, `sorted` the most that a sort got,
    `buffers` of 8 KiB that it touched, in memory or not, and how long it took in `ms`.
    """

    text: str
    indexes: set[str]
    scanned: set[str]
    sorts: bool
    read: Mapping[str, int] = field(default_factory=dict)
    sorted: int = 0
    buffers: int = 0
    ms: float = 0


def explain(
    compiled: Compiled,
    connection: BaseDatabaseWrapper,
    *,
    generic: bool = False,
    limit: int | None = None,
    run: bool = False,
    **values: Any,
) -> Plan:
    """Return the plan for these values; on PostgreSQL the custom one, or the generic one it may switch to."""
    text, args = compiled.plan(connection, limit).text, compiled.arguments(connection, values, limit)
    if connection.vendor == "sqlite":
        return sqlite_plan(connection, text, args)
    if connection.vendor == "mysql":
        return mariadb_plan(connection, text, args)
    mode = "force_generic_plan" if generic else "force_custom_plan"
    given = ", ".join(Literal(arg).as_string(connection.connection) for arg in args)
    with connection.cursor() as cursor:
        cursor.execute(f"SET plan_cache_mode = {mode}")
        cursor.execute("PREPARE explained AS " + text.replace("%", "%%"), [])
        cursor.execute(
            f"EXPLAIN ({'ANALYZE, BUFFERS, ' if run else ''}FORMAT JSON) EXECUTE explained"
            + (f"({given})" if given else "")
        )
        [[found]] = cursor.fetchall()
        cursor.execute("DEALLOCATE explained")
        cursor.execute("RESET plan_cache_mode")
    return postgresql_plan(found[0])


def explain_sql(sql: str, connection: BaseDatabaseWrapper, *, run: bool = False) -> Plan:
    """Return the plan of a finished statement, such as the query log has; `run` for PostgreSQL only."""
    if connection.vendor == "mysql":
        return mariadb_plan(connection, sql, None)
    if connection.vendor == "sqlite":
        return sqlite_plan(connection, sql.replace("%", "%%") if "%" in sql else sql, [])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN ({'ANALYZE, BUFFERS, ' if run else ''}FORMAT JSON) {sql}")
        [[found]] = cursor.fetchall()
    return postgresql_plan(found[0])


def sorts_all(plan: Plan) -> bool:
    """Tell whether a plan sorts more than rows that share a value, or the few that a look-up of parts has found."""
    bounded = "USE TEMP B-TREE FOR (LAST TERM|RIGHT PART) OF ORDER BY|SCAN few\nUSE TEMP B-TREE FOR ORDER BY"
    text = re.sub(bounded, "", plan.text)
    return '"Node Type": "Sort"' in text or "TEMP B-TREE" in text


def postgresql_plan(explained: dict[str, Any]) -> Plan:
    """Return what EXPLAIN (FORMAT JSON) says of one statement."""
    root = explained["Plan"]
    nodes = [root]
    for node in nodes:
        nodes += node.get("Plans", [])
    return Plan(
        json.dumps(root, indent=1),
        {node["Index Name"] for node in nodes if "Index Name" in node},
        {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"},
        any("Sort" in node["Node Type"] for node in nodes),
        rows_read(nodes),
        max((node["Plans"][0].get("Actual Rows", 0) for node in nodes if "Sort" in node["Node Type"]), default=0),
        root.get("Shared Hit Blocks", 0) + root.get("Shared Read Blocks", 0),
        explained.get("Execution Time", 0),
    )


def rows_read(nodes: list[dict[str, Any]]) -> Counter[str]:
    read: Counter[str] = Counter()
    for node in nodes:
        if "Relation Name" in node and "Actual Rows" in node:
            dropped = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
            read[node["Relation Name"]] += round((node["Actual Rows"] + dropped) * node["Actual Loops"])
    return read


@contextmanager
def filled_once[T](blocker: Any, fill: Callable[[], T]) -> Iterator[T]:
    """Give all tests of a module what `fill` makes, and roll it back at the end; `blocker`: pytest-django's."""
    with blocker.unblock(), transaction.atomic():
        yield fill()
        transaction.set_rollback(True)


def analyze(connection: BaseDatabaseWrapper) -> None:
    """Have the database look at what its tables hold."""
    with connection.cursor() as cursor:
        if connection.vendor == "mysql" and connection.in_atomic_block:
            return  # it would end the transaction
        if connection.vendor == "mysql":
            tables = ", ".join(connection.introspection.table_names(cursor))
            cursor.execute(f"ANALYZE TABLE {tables}")
            cursor.fetchall()
        elif connection.vendor == "postgresql":
            with patient(connection.alias):  # behind what other tests have rolled back it may take long
                cursor.execute("ANALYZE")
        else:
            cursor.execute("ANALYZE")


ANY_TABLE = "any table"


def _counted(cursor: Any) -> dict[str, int]:
    cursor.execute("SHOW SESSION STATUS WHERE Variable_name LIKE 'Handler_read%' OR Variable_name = 'Sort_rows'")
    return {name: int(value) for name, value in cursor.fetchall()}


def mariadb_plan(connection: BaseDatabaseWrapper, text: str, args: list[Any] | None) -> Plan:
    """Return what EXPLAIN says, and of a run what the session's counters say, which tell no tables apart."""
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + text, args)
        lines = [dict(zip([column[0] for column in cursor.description], row, strict=True)) for row in cursor.fetchall()]
        before = _counted(cursor)  # FLUSH STATUS would end the transaction
        cursor.execute(text, args)
        cursor.fetchall()
        after = _counted(cursor)
        counted = {name: value - before[name] for name, value in after.items()}
    return Plan(
        "\n".join(map(str, lines)),
        {line["key"] for line in lines if line["key"]},
        {line["table"] for line in lines if line["type"] == "ALL"},
        any("filesort" in (line["Extra"] or "") for line in lines),
        {ANY_TABLE: sum(count for name, count in counted.items() if name != "Sort_rows")},
        counted["Sort_rows"],
    )


def sqlite_plan(connection: BaseDatabaseWrapper, text: str, args: list[Any]) -> Plan:
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + text, args)
        lines = [row[3] for row in cursor.fetchall()]
    aliases = dict(re.findall(r'(?:FROM|JOIN) "(\w+)" "(\w+)"', text))
    tables = {alias: table for table, alias in aliases.items()}
    scans = [line.split()[1] for line in lines if line.startswith("SCAN") and "USING" not in line]
    return Plan(
        "\n".join(lines),
        {found[1] for line in lines if (found := re.search(r"INDEX (\w+)", line))},
        {tables.get(name, name) for name in scans} - {"items"},
        any("TEMP B-TREE" in line for line in lines),
    )
