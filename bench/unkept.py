"""Populace's settings with a connection for each request: closed where it is given back, whoever would keep it."""

from config.settings import *  # noqa: F403
from populace.infra.db.pool import Pool
from populace.infra.db.wire import Connection


def give(pool: Pool, connection: Connection) -> None:
    """Close it; whoever waits longest may make another."""
    pool.drop(connection)
    if pool._queue:
        pool._call()


Pool.give = give  # type: ignore[method-assign]
