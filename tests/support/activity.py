"""What the database server is at, and what a test plants in it to make it slow."""

import psycopg

from tests.support.sql import rows

OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def waiting(url: str) -> int:
    """Return how many connections wait for a lock."""
    return int(rows(url, f"SELECT count(*) {OTHERS} AND wait_event_type = 'Lock'")[0][0])


def asleep(url: str) -> list[int]:
    """Return the server processes that a planted pg_sleep() holds."""
    return [pid for (pid,) in rows(url, f"SELECT pid {OTHERS} AND wait_event = 'PgSleep'")]


def make_slow(url: str, text: str, seconds: float) -> None:
    """Have every statement on people whose text holds `text` take that long, before its first row.

    A view takes the table's place; all other statements pass through it, writing ones as well.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE users_user RENAME TO users_user_kept")
        # Planned as a condition without columns, so it is asked once, before any row is read.
        connection.execute(
            f"CREATE VIEW users_user AS SELECT * FROM users_user_kept WHERE"
            f" (SELECT position('{text}' IN current_query()) = 0 OR pg_sleep({seconds}) IS NOT NULL)"
        )


def make_fast(url: str) -> None:
    """Take back what `make_slow` did to statements; the view stays."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE OR REPLACE VIEW users_user AS SELECT * FROM users_user_kept")
