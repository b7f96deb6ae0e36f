"""Why the database refused or went away, whatever engine says so: the one table of their error numbers."""

import sqlite3
from enum import Enum, auto

from django.db import Error, InterfaceError, OperationalError

from populace.infra.db.mariadb import errors as mariadb


class Cause(Enum):
    """What is behind an error of the database that is nobody's fault."""

    DEADLOCK = auto()  # or a serialization failure: rolled back, so it can be done anew
    LOCK_TIMEOUT = auto()
    QUERY_TIMEOUT = auto()
    STORAGE_FULL = auto()
    LOST = auto()  # the connection; what was on its way may have happened


CAUSES: dict[str | int, Cause] = {
    # PostgreSQL (SQLSTATE): https://www.postgresql.org/docs/current/errcodes-appendix.html
    "40001": Cause.DEADLOCK,
    "40P01": Cause.DEADLOCK,
    "55P03": Cause.LOCK_TIMEOUT,
    "57014": Cause.QUERY_TIMEOUT,
    "53100": Cause.STORAGE_FULL,
    **dict.fromkeys(("08000", "08001", "08003", "08004", "08006", "57P01", "57P02", "57P03"), Cause.LOST),
    **dict.fromkeys(("25P03", "25P04"), Cause.LOST),  # idle in a transaction, or in one, for too long: cut off
    # SQLite: https://sqlite.org/rescode.html. Busy is a lock waited for as long as the connection's timeout says.
    sqlite3.SQLITE_BUSY: Cause.LOCK_TIMEOUT,
    sqlite3.SQLITE_LOCKED: Cause.LOCK_TIMEOUT,
    sqlite3.SQLITE_FULL: Cause.STORAGE_FULL,
    # MariaDB's begin at 1000, SQLite's end below.
    mariadb.DEADLOCK: Cause.DEADLOCK,
    mariadb.LOCK_TIMEOUT: Cause.LOCK_TIMEOUT,
    mariadb.STATEMENT_TIMEOUT: Cause.QUERY_TIMEOUT,
    mariadb.STORAGE_FULL: Cause.STORAGE_FULL,
    **dict.fromkeys(mariadb.AWAY, Cause.LOST),
}


def cause_of(error: Error) -> Cause | None:
    """Return what is behind one of Django's database errors; None for any other fault."""
    code = _code(error)
    if code is None and isinstance(error, OperationalError | InterfaceError):
        return Cause.LOST  # a driver that says no more has nobody to ask
    return CAUSES.get(code or "")


def _code(error: Error) -> str | int | None:
    if number := mariadb.number_of(error):
        return number
    told = error.__cause__
    if (code := getattr(told, "sqlite_errorcode", None)) is not None:
        return int(code) & 0xFF  # the rest says where
    state: str | None = getattr(told, "sqlstate", None)
    return state
