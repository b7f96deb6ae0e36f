"""Indexes of some rows, where the engine has none: of a computed column that tells whether a row belongs there.

The column has the index's name, is stored nowhere but in the index, and is no field of the model.
"""

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Index, Model


def add(model: type[Model], index: Index, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Add column and index; what is there already stays."""
    table, name = (schema_editor.quote_name(part) for part in (model._meta.db_table, index.name))
    condition = index._get_condition_sql(model, schema_editor)  # type: ignore[attr-defined]
    schema_editor.execute(
        f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {name} BOOLEAN AS ({condition}) VIRTUAL INVISIBLE", params=None
    )
    fields: list[Any] = [model._meta.get_field(field) for field in index.fields]
    columns = ", ".join([name, *(schema_editor.quote_name(field.column) for field in fields)])
    schema_editor.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {table} ({columns})", params=None)


def remove(model: type[Model], index: Index, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Remove index and column."""
    table, name = (schema_editor.quote_name(part) for part in (model._meta.db_table, index.name))
    schema_editor.execute(f"DROP INDEX IF EXISTS {name} ON {table}", params=None)
    schema_editor.execute(f"ALTER TABLE {table} DROP COLUMN IF EXISTS {name}", params=None)


def holds(index: str, compiler: Any) -> str:
    """Return the condition for the rows that such an index has."""
    quote = compiler.quote_name
    return f"{quote(compiler.query.get_initial_alias())}.{quote(index)} = 1"
