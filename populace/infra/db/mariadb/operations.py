"""What Django's MySQL engine says in a way that MariaDB takes too freely."""

from collections.abc import Sequence
from typing import Any

from django.db.backends.mysql.operations import DatabaseOperations as MySQLOperations
from django.db.models.constants import OnConflict


class DatabaseOperations(MySQLOperations):
    def insert_statement(self, on_conflict: Any = None) -> str:
        """Return a plain INSERT: INSERT IGNORE lets a missing parent and a text cut short pass, too."""
        return "INSERT INTO"

    def on_conflict_suffix_sql(
        self, fields: Sequence[Any], on_conflict: Any, update_fields: Any, unique_fields: Any
    ) -> str:
        """Let a row that is there already stay as it is."""
        if on_conflict == OnConflict.IGNORE:
            column = self.quote_name(fields[0].column)
            return f"ON DUPLICATE KEY UPDATE {column} = {column}"
        suffix: str = super().on_conflict_suffix_sql(fields, on_conflict, update_fields, unique_fields)
        return suffix

    def for_update_sql(self, *args: Any, no_key: bool = False, **kwargs: Any) -> str:
        """Return the clause that locks rows; MariaDB has one strength."""
        clause: str = super().for_update_sql(*args, **kwargs)
        return clause
