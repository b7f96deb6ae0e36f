"""Column types every engine compares alike, and the values that stand for "none" in an order."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, UUIDField

NEVER = datetime(1000, 1, 1, tzinfo=UTC)
"""Smallest time that PostgreSQL, SQLite and MariaDB all store: "not yet", shown as null.

Orderable columns are NOT NULL, so that one b-tree and one row comparison serve every page.
"""

FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
"""Largest such time: "does not end", shown as null."""

BINARY = {"postgresql": "C", "sqlite": "BINARY", "mysql": "utf8mb4_nopad_bin"}

if TYPE_CHECKING:
    _CharField = CharField[str, str]  # takes parameters in the stubs only
    _UUIDField = UUIDField[UUID, UUID]
else:
    _CharField, _UUIDField = CharField, UUIDField


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


class DigestField(_UUIDField):
    """Any 128 bits. MariaDB's own type takes ids alone (RFC 9562), so there it is 32 letters."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        """Return the column's type."""
        return "char(32)" if connection.vendor == "mysql" else super().db_type(connection)

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        """Return what the driver takes."""
        value = super().get_db_prep_value(value, connection, prepared)
        return value.hex if connection.vendor == "mysql" and value is not None else value
