"""Look into an installation's database past all of our own code."""

import sqlite3
from hashlib import sha256
from typing import Any

import psycopg


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Return what a SELECT finds in the database that a DATABASE_URL names."""
    if url.startswith("sqlite:///"):
        connection: Any = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=10)
    else:
        connection = psycopg.connect(url)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


PASSED_OVER = {"audit_event", "audit_feed", "audit_counter", "django_migrations", "sqlite_sequence"}
LAST_USED = {"last_used_at"}  # told by reading, not by what was refused


def digest(url: str) -> dict[str, str]:
    """Return a digest of each table but the log's: equal before and after means that nothing was changed or queued."""
    tables = {
        name: {column for column in columns if column.strip('"') not in LAST_USED}
        for name, columns in _columns(url).items()
        if name not in PASSED_OVER
    }
    return {
        name: sha256(
            repr(sorted(map(repr, rows(url, f'SELECT {", ".join(sorted(columns))} FROM "{name}"')))).encode()
        ).hexdigest()
        for name, columns in tables.items()
    }


def _columns(url: str) -> dict[str, set[str]]:
    if url.startswith("sqlite"):
        statement = (
            "SELECT m.name, '\"' || c.name || '\"', m.name FROM sqlite_master m, pragma_table_info(m.name) c"
            " WHERE m.type = 'table'"
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
