"""MariaDB 10.11 and later as Django's database engine: Django's own for MySQL, spoken to by PyMySQL.

What is changed are traps: a health check that would quietly connect anew without the session's settings, ids that the
driver cannot write, and statements that ignore more than they are asked to.
"""

from typing import Any
from uuid import UUID

import pymysql
from django.core.exceptions import ImproperlyConfigured
from pymysql.cursors import SSCursor

pymysql.install_as_MySQLdb()  # before Django's module, which imports MySQLdb (docs/decisions/0007)

from django.db.backends.mysql import base  # noqa: E402

from populace.infra.db.mariadb.features import DatabaseFeatures  # noqa: E402
from populace.infra.db.mariadb.operations import DatabaseOperations  # noqa: E402
from populace.infra.db.mariadb.schema import DatabaseSchemaEditor  # noqa: E402


def _uuid(value: UUID, mapping: Any = None) -> str:
    return f"'{value}'"


class DatabaseWrapper(base.DatabaseWrapper):
    SchemaEditorClass = DatabaseSchemaEditor
    features_class = DatabaseFeatures
    ops_class = DatabaseOperations

    def get_connection_params(self) -> dict[str, Any]:
        """Let the driver write ids: those of a native UUID column come to it as they are."""
        params: dict[str, Any] = super().get_connection_params()
        return params | {"conv": {**params["conv"], UUID: _uuid}}

    def init_connection_state(self) -> None:
        """Refuse MySQL: it has neither our collation nor a type for ids."""
        if not self.mysql_is_mariadb:
            raise ImproperlyConfigured("DATABASE_URL: mysql:// is for MariaDB 10.11 and later, and this is MySQL")
        super().init_connection_state()

    def chunked_cursor(self) -> Any:
        """Return the cursor of `iterator()`, which leaves the rows with the server until they are asked for.

        Until its last row is read, the connection takes no other statement.
        """
        self.close_if_health_check_failed()
        self.ensure_connection()
        with self.wrap_database_errors:
            cursor = base.CursorWrapper(self.connection.cursor(SSCursor))
        return self._prepare_cursor(cursor)  # type: ignore[attr-defined]

    def is_usable(self) -> bool:
        """Tell whether the connection lives. PyMySQL would connect anew, at the server's own isolation level."""
        try:
            self.connection.ping(reconnect=False)
        except pymysql.Error:
            return False
        return True

    def literal(self, value: Any) -> str:
        """Return a constant as SQL text, as the driver would send it."""
        self.ensure_connection()
        return str(self.connection.escape(value, self.connection.encoders))
