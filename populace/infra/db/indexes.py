"""Indexes that serve an order on every engine."""

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Index, Model


class Walked(Index):
    """An index whose rows come in the order of its fields, then of `then`.

    PostgreSQL sorts the few rows that share a value as it goes, and each index costs by its width: there, and on
    SQLite, it has its fields alone. MariaDB would sort everything that is left of the list: there it has all.
    """

    def __init__(self, *, then: tuple[str, ...] | list[str] = (), **options: Any) -> None:
        super().__init__(**options)
        self.then = list(then)

    def deconstruct(self) -> Any:
        """Return (path, args, kwargs), from which the index can be written down again."""
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, "then": self.then}

    def create_sql(
        self, model: type[Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **kwargs: Any
    ) -> Any:
        """Return the statement for this engine."""
        if schema_editor.connection.vendor != "mysql":
            return super().create_sql(model, schema_editor, using, **kwargs)
        return Index(fields=[*self.fields, *self.then], name=self.name).create_sql(
            model, schema_editor, using, **kwargs
        )
