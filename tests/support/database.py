"""Do to an installation's database what a request meets only when things go wrong."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from tests.support.mariadb import connected
from tests.support.plugin import Session

GONE, BROKEN = "email:gone@example.com", "email:broken@example.com"
SLOW, FULL = "email:slow@example.com", "email:full@example.com"
SQLITE = """
CREATE TRIGGER gone BEFORE INSERT ON users_identifier WHEN NEW.key = '{gone}'
BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed: users_identifier.key'); END;
CREATE TRIGGER broken BEFORE INSERT ON users_identifier WHEN NEW.key = '{broken}'
BEGIN SELECT RAISE(ABORT, 'the disk is on fire'); END;
"""
POSTGRESQL = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.key = '{gone}' THEN RAISE unique_violation USING TABLE = 'users_identifier'; END IF;
  IF NEW.key = '{broken}' THEN RAISE 'the disk is on fire'; END IF;
  IF NEW.key = '{slow}' THEN RAISE query_canceled; END IF;
  IF NEW.key = '{full}' THEN RAISE disk_full; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON users_identifier FOR EACH ROW EXECUTE FUNCTION refuse();
"""
MARIADB = """
CREATE TRIGGER refuse BEFORE INSERT ON users_identifier FOR EACH ROW BEGIN
  IF NEW.`key` = '{gone}' THEN SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1062, MESSAGE_TEXT = 'Duplicate entry'; END IF;
  IF NEW.`key` = '{broken}' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the disk is on fire'; END IF;
  IF NEW.`key` = '{slow}' THEN SIGNAL SQLSTATE '70100' SET MYSQL_ERRNO = 1969, MESSAGE_TEXT = 'Interrupted'; END IF;
  IF NEW.`key` = '{full}' THEN SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1021, MESSAGE_TEXT = 'Disk full'; END IF;
END
"""


def _file(url: str) -> sqlite3.Connection:
    return sqlite3.connect(url.removeprefix("sqlite:///"), timeout=10, isolation_level=None)


def refuse_addresses(url: str) -> None:
    """Let GONE be taken by somebody who is gone when one looks, and BROKEN fail as nobody has foreseen.

    On PostgreSQL and MariaDB SLOW takes too long, and for FULL there is no room.
    """
    if url.startswith("sqlite"):
        connection: Any = _file(url)
        connection.executescript(SQLITE.format(gone=GONE, broken=BROKEN))
    elif url.startswith("mysql"):
        connection = connected(url)
        connection.execute(MARIADB.format(gone=GONE, broken=BROKEN, slow=SLOW, full=FULL))
    else:
        connection = psycopg.connect(url, autocommit=True)
        connection.execute(POSTGRESQL.format(gone=GONE, broken=BROKEN, slow=SLOW, full=FULL))
    connection.close()


@contextmanager
def no_writes(url: str) -> Iterator[None]:
    """Let nobody write a person meanwhile; reads go on."""
    if url.startswith("sqlite"):
        connection: Any = _file(url)
        connection.execute("BEGIN IMMEDIATE")
    elif url.startswith("mysql"):
        connection = connected(url)
        connection.execute("LOCK TABLES users_identifier READ")
    else:
        connection = psycopg.connect(url)
        connection.execute("LOCK TABLE users_identifier IN EXCLUSIVE MODE")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()


def destroy(url: str) -> None:
    """Take the database away from under a running server."""
    if url.startswith("sqlite"):
        connection: Any = _file(url)
        connection.execute("DROP TABLE credentials_apitoken")
    elif url.startswith("mysql"):
        connection = connected(url)
        name = url.rpartition("/")[2].partition("?")[0]
        here = connection.execute(f"SELECT id FROM information_schema.processlist WHERE db = '{name}'").fetchall()
        for (id,) in here:
            if id != connection.thread_id():
                connection.execute(f"KILL {id}")
        connection.execute(f"DROP DATABASE `{name}`")
    else:
        assert Session.postgresql
        connection = psycopg.connect(Session.postgresql.url("postgres"), autocommit=True)
        connection.execute(f'DROP DATABASE "{url.rpartition("/")[2].partition("?")[0]}" WITH (FORCE)')
    connection.close()
