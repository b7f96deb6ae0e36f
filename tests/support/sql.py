"""Look into an installation's database past all of our own code."""

import sqlite3
from hashlib import sha256
from typing import Any

import psycopg

from tests.support.mariadb import connected


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Return what a SELECT finds in the database that a DATABASE_URL names."""
    if url.startswith("sqlite:///"):
        connection: Any = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=10)
    elif url.startswith("mysql"):
        connection = connected(url)
    else:
        connection = psycopg.connect(url)
    try:
        return list(connection.execute(statement).fetchall())
    finally:
        connection.close()


PASSED_OVER = {"audit_event", "audit_feed", "audit_counter", "django_migrations", "sqlite_sequence"}
LEFT_OUT = {
    "audit_outbox": "WHERE action <> 'authz.denied'",  # these are the log's
    "tasks_taskrow": "WHERE name <> 'populace.audit.tasks.upkeep'",  # comes with the hour, and with a worker
}
LAST_USED = {
    "last_used_at",
    '"last_used_at"',
    "`last_used_at`",
}  # flushed every 30 s after a read, not changed by what was refused


def digest(url: str) -> dict[str, str]:
    """Return a digest of each table but the log's: equal before and after means that nothing was changed or queued."""
    tables = {name: columns - LAST_USED for name, columns in _columns(url).items() if name not in PASSED_OVER}
    return {name: _digest(url, name, sorted(columns)) for name, columns in tables.items()}


def _digest(url: str, table: str, columns: list[str]) -> str:
    found = rows(url, f"SELECT {', '.join(columns)} FROM {table} {LEFT_OUT.get(table, '')}")
    return sha256(repr(sorted(map(repr, found))).encode()).hexdigest()


def _columns(url: str) -> dict[str, set[str]]:
    if url.startswith("sqlite"):
        statement = (
            "SELECT m.name, '\"' || c.name || '\"', m.name FROM sqlite_master m, pragma_table_info(m.name) c"
            " WHERE m.type = 'table' AND m.sql NOT LIKE 'CREATE VIRTUAL %'"  # tables of its own hold what is in it
        )
    elif url.startswith("mysql"):
        statement = (
            "SELECT table_name, concat('`', column_name, '`'), table_name FROM information_schema.columns"
            " WHERE table_schema = database()"
        )
    else:
        statement = (
            "SELECT table_name, quote_ident(column_name), coalesce(p.relname, table_name)"
            " FROM information_schema.columns LEFT JOIN pg_inherits i ON i.inhrelid = quote_ident(table_name)::regclass"
            " LEFT JOIN pg_class p ON p.oid = i.inhparent WHERE table_schema = 'public'"
        )
    tables: dict[str, set[str]] = {}
    for name, column, parent in rows(url, statement):
        if parent not in PASSED_OVER:
            tables.setdefault(name, set()).add(column)
    return tables
