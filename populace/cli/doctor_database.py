"""`populace doctor` about PostgreSQL: is what the URL says of the way there so, and is there room?"""

from collections.abc import Iterator

import psycopg
from django.conf import settings
from django.db import connections

from config.engines import PLANS, TIMEOUTS_MS
from populace.cli.directory import first_line
from populace.cli.finding import Finding
from populace.infra.db.postgresql.base import DatabaseWrapper
from populace.infra.db.sessions import Between, between, room, setting

OF_A_WORKER = 5  # connections: one of each thread, and for a moment the owner's


def connection_findings() -> Iterator[Finding]:
    """Yield what is found about the connections of DATABASE_URL; nothing on other engines."""
    connection = connections["default"]
    if isinstance(connection, DatabaseWrapper):
        yield _pooler(connection)
        yield _limits(connection)
        yield _room(connection)


def _pooler(connection: DatabaseWrapper) -> Finding:
    try:
        found = between(connection)
    except psycopg.Error as error:  # no room for two more connections, for example
        return Finding("pooler", False, first_line(error))
    fault = _misstated(connection, found)
    return Finding("pooler", not fault, fault or _told(connection, found))


def _misstated(connection: DatabaseWrapper, found: Between) -> str:
    """Return what DATABASE_URL says wrongly; "" if it is right."""
    stated = bool(connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"])
    if found.by_transaction and not stated:
        return "one in transaction mode, which DATABASE_URL does not say: add pgbouncer=transaction"
    if stated and not found.is_there:
        return "none, but DATABASE_URL says pgbouncer=transaction: nothing is prepared for no reason"
    if stated and _prepares(connection) and not found.keeps_prepared:
        return "it does not keep prepared statements: take prepared=on out of DATABASE_URL"
    return ""


def _told(connection: DatabaseWrapper, found: Between) -> str:
    if not found.is_there:
        return "none, statements are prepared"
    if not found.by_transaction:
        return "one that leaves each client its session, statements are prepared"
    if _prepares(connection):
        return "in transaction mode, statements are prepared"
    return "in transaction mode, nothing is prepared" + (
        " (it would keep statements: add prepared=on)" if found.keeps_prepared else ""
    )


def _prepares(connection: DatabaseWrapper) -> bool:
    return connection.settings_dict["OPTIONS"]["prepare_threshold"] is not None


def _limits(connection: DatabaseWrapper) -> Finding:
    """Compare what is in force with config/engines.py; a pooler may have swallowed what we said."""
    faults = []
    for name, most in TIMEOUTS_MS.items():
        value = int(setting(connection, name))
        if not 0 < value <= most:  # 0: none
            faults.append(f"{name} is {value} ms, not {most}")
    plans = {name: setting(connection, name) for name in PLANS}
    faults += [f"{name} is {plans[name]}, not {wanted}" for name, wanted in PLANS.items() if plans[name] != wanted]
    return Finding("limits", not faults, "; ".join(faults) or "in force")


def _room(connection: DatabaseWrapper) -> Finding:
    """Add up what the processes of this machine may want at once."""
    most = connection.bounds().most
    wanted, found = settings.WEB_PROCESSES * most + OF_A_WORKER, room(connection)
    detail = (
        f"{settings.WEB_PROCESSES} processes x {most} and {OF_A_WORKER} of the worker, of {found} that the server takes"
    )
    return Finding("connections", wanted <= found, detail)
