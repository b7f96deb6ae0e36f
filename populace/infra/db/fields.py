"""Column types every engine compares alike, and the values that stand for "none" in an order."""

from datetime import UTC, datetime
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField

NEVER = datetime(1000, 1, 1, tzinfo=UTC)
"""Smallest time that PostgreSQL, SQLite and MariaDB all store: "not yet", shown as null.

Orderable columns are NOT NULL, so that one b-tree and one row comparison serve every page.
"""

FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
"""Largest such time: "does not end", shown as null."""

BINARY = {"postgresql": "C", "sqlite": "BINARY", "mysql": "utf8mb4_nopad_bin"}


class NormalField(CharField[str, str]):
    """Text already normalised by us and compared byte by byte, so one b-tree serves =, prefix and order."""

    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, Any]:
        """Give the column the engine's binary collation."""
        return super().db_parameters(connection) | {"collation": BINARY[connection.vendor]}
