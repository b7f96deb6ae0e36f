"""Look into an installation's database past all of our own code."""

import sqlite3
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
