"""DDL on MariaDB: no transaction holds it, so that a migration that was interrupted is begun anew."""

from typing import Any, Self

from django.db.backends.mysql.schema import DatabaseSchemaEditor as MySQLSchemaEditor

from populace.infra.db.mariadb.limits import unlimited


class DatabaseSchemaEditor(MySQLSchemaEditor):
    """Statements that pass over what an interrupted run has left, and may take as long as they need."""

    # Whatever the database's own default is: texts are compared byte by byte, trailing blanks included.
    sql_create_table = (
        "CREATE TABLE IF NOT EXISTS %(table)s (%(definition)s)"
        " ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"
    )
    sql_delete_table = "DROP TABLE IF EXISTS %(table)s CASCADE"
    sql_create_index = "CREATE INDEX IF NOT EXISTS %(name)s ON %(table)s (%(columns)s)%(extra)s"
    sql_delete_index = "DROP INDEX IF EXISTS %(name)s ON %(table)s"
    sql_create_column = "ALTER TABLE %(table)s ADD COLUMN IF NOT EXISTS %(column)s %(definition)s"
    sql_delete_column = "ALTER TABLE %(table)s DROP COLUMN IF EXISTS %(column)s"
    sql_create_fk = (
        "ALTER TABLE %(table)s ADD CONSTRAINT %(name)s FOREIGN KEY IF NOT EXISTS %(name)s (%(column)s) "
        "REFERENCES %(to_table)s (%(to_column)s)%(on_delete_db)s%(deferrable)s"
    )
    sql_delete_fk = "ALTER TABLE %(table)s DROP FOREIGN KEY IF EXISTS %(name)s"

    def __enter__(self) -> Self:
        """Begin, without a request's limits on statements: to build an index takes as long as the table is large."""
        self._unlimited = unlimited(self.connection)
        self._unlimited.__enter__()
        super().__enter__()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        """Run what was put off, and have the limits back."""
        try:
            super().__exit__(kind, error, trace)
        finally:
            self._unlimited.__exit__(None, None, None)
