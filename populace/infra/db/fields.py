"""Column types every engine compares alike, and the values that stand for "none" in an order."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField

NEVER = datetime(1000, 1, 1, tzinfo=UTC)
"""Smallest time that PostgreSQL, SQLite and MariaDB all store: "not yet", shown as null.

Orderable columns are NOT NULL, so that one b-tree and one row comparison serve every page.
"""

FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
"""Largest such time: "does not end", shown as null."""

BINARY = {"postgresql": "C", "sqlite": "BINARY", "mysql": "utf8mb4_nopad_bin"}

if TYPE_CHECKING:
    _CharField = CharField[str, str]  # takes parameters in the stubs only
else:
    _CharField = CharField


class NormalField(_CharField):
    """Text already normalised by us and compared byte by byte, so one b-tree serves =, prefix and order."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        """Return the column's type, on PostgreSQL by its long name."""
        kind = super().db_type(connection)
        # Django gives a unique "varchar" a second index for LIKE; collation "C" needs none, and each write would pay.
        return kind.replace("varchar", "character varying") if kind and connection.vendor == "postgresql" else kind

    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, Any]:
        """Give the column the engine's binary collation."""
        return super().db_parameters(connection) | {"collation": BINARY[connection.vendor]}
