"""Django's PostgreSQL backend on a pool of ours (DATABASES["default"]["ENGINE"]).

Django's own pool (OPTIONS["pool"]) asks the server for its time zone and autocommit anew in every request. Here a
request's first statement takes a connection as it is, and the end of the request gives it back; what was prepared on
it stays prepared.
"""

from functools import partial
from typing import Any

from django.conf import settings
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import IsolationLevel
from psycopg.pq import TransactionStatus

from populace.infra.db import watch
from populace.infra.db.pool import Bounds, Pool, needed, pool_of, pools
from populace.infra.db.wire import Connection


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's wrapper, whose `connection` is one of the pool's, from the first statement to the end of the request."""

    _pool: Pool | None = None  # that `connection` belongs to

    def connect(self) -> None:
        """Take a connection. Raises PoolExhausted, Silent, and psycopg's errors."""
        if self.alias == NO_DB_ALIAS:  # for a moment, to make or drop a database
            super().connect()
            return
        pool = pool_of(self.alias, self.settings_dict["NAME"], self._make_pool)
        self._pool = pool
        self.connection = pool.take(partial(self._fresh, pool))
        # What Django's connect() says of a new one.
        self.in_atomic_block = self.needs_rollback = self.closed_in_transaction = self.errors_occurred = False
        self.savepoint_ids, self.atomic_blocks, self.run_on_commit = [], [], []
        self.autocommit = True

    def _fresh(self, pool: Pool) -> Connection:
        """Connect and set up the session as Django does; returns the driver's connection."""
        watch.start()
        try:
            super().connect()
        except BaseException:
            if (half := self.connection) is not None:
                self.connection = None
                half.close()
            raise
        return self.connection  # type: ignore[no-any-return]

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        """Return a new connection of the driver."""
        self.isolation_level = IsolationLevel.READ_COMMITTED
        connection = Connection.connect(**conn_params)
        if self._pool:
            connection.wire.waits = self._pool.waits
        return connection

    def close_if_unusable_or_obsolete(self) -> None:
        """Give the connection back: Django calls this at the end of every request. One in doubt is closed."""
        held = self.connection
        if held is None:
            return
        if self._pool and self.autocommit and held.pgconn.transaction_status == TransactionStatus.IDLE:
            self.connection = None
            self._pool.give(held)
        else:
            self.close()

    def _close(self) -> None:
        """Close the connection for good."""
        if self.connection is not None:
            with self.wrap_database_errors:
                if self._pool:
                    self._pool.drop(self.connection)
                else:
                    self.connection.close()

    def close_pool(self) -> None:
        """Close all that nobody holds; Django calls it before it drops a database."""
        for pool in pools(self.alias):
            pool.drop_idle(before=float("inf"))

    def bounds(self) -> Bounds:
        """Return the bounds that the URL states (config/engines.py).

        Else one connection less than the process has threads: with all of them waiting for the database, one is left
        to answer /livez. Of two threads both may have one: a second that mostly waited for the first would be no use.
        A worker has one for each of its threads.
        """
        stated: dict[str, Any] = self.settings_dict.get("POOL", {})
        most = max(stated.get("max") or max(2, settings.WEB_THREADS - 1), needed())
        return Bounds(min(stated.get("min", 0), most), most, stated.get("wait", 2.0))

    def _make_pool(self) -> Pool:
        return Pool(self.bounds(), self.get_connection_params() | {"autocommit": True})
