"""Operations of migrations that Django has no word for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import CreateModel
from django.db.migrations.state import ProjectState

from populace.infra.db.mariadb import partial
from populace.infra.db.wire import answering


def default_partition(table: str) -> str:
    """Return the name of the partition that takes the rows of `table` no other partition takes."""
    return f"{table}_default"


class CreatePartitionedModel(CreateModel):
    """Create a model whose table is, on PostgreSQL, split by ranges of the field `partition_by`.

    A default partition comes with it, so that no insert ever depends on a partition made in time (partitions.py makes
    those). The field must be part of the primary key. Every other engine gets an ordinary table.
    """

    def __init__(self, name: str, fields: list[Any], *, partition_by: str, **options: Any) -> None:
        super().__init__(name, fields, **options)
        self.partition_by = partition_by

    def deconstruct(self) -> Any:
        """Return (name, args, kwargs), from which the operation can be written down again."""
        name, args, kwargs = super().deconstruct()
        return name, args, {**kwargs, "partition_by": self.partition_by}

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Create the table, and on PostgreSQL its default partition."""
        model = to_state.apps.get_model(app_label, self.name)
        connection = schema_editor.connection
        if connection.vendor != "postgresql" or not self.allow_migrate_model(connection.alias, model):
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        table, quote = model._meta.db_table, schema_editor.quote_name
        plain = schema_editor.sql_create_table
        # The editor offers no other place for a clause behind the column list.
        schema_editor.sql_create_table = (
            f"{plain} PARTITION BY RANGE ({quote(model._meta.get_field(self.partition_by).column)})"
        )
        try:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        finally:
            schema_editor.sql_create_table = plain
        schema_editor.execute(
            f"CREATE TABLE {quote(default_partition(table))} PARTITION OF {quote(table)} DEFAULT", params=None
        )


class AddIndex(AddIndexConcurrently):
    """Add an index to a table that has rows, on PostgreSQL beside running writes; begun anew if it was interrupted.

    The migration must say `atomic = False`, and hold nothing that cannot be done twice.
    """

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Build the index, however long it takes; what an interrupted run left of it goes first."""
        if schema_editor.connection.vendor == "postgresql":
            with _unlimited(schema_editor):
                # What an interrupted build leaves is invalid, and in the way.
                schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.index.name)}")
                super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        with schema_editor.connection.cursor() as cursor:
            there = schema_editor.connection.introspection.get_constraints(cursor, model._meta.db_table)
        if self.index.name in there:
            schema_editor.remove_index(model, self.index)
        if self.index.condition and not schema_editor.connection.features.supports_partial_indexes:
            partial.add(model, self.index, schema_editor)
            return
        migrations.AddIndex.database_forwards(self, app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Remove the index."""
        if schema_editor.connection.vendor == "postgresql":
            with _unlimited(schema_editor):
                super().database_backwards(app_label, schema_editor, from_state, to_state)
            return
        if self.index.condition and not schema_editor.connection.features.supports_partial_indexes:
            partial.remove(from_state.apps.get_model(app_label, self.model_name), self.index, schema_editor)
            return
        migrations.AddIndex.database_backwards(self, app_label, schema_editor, from_state, to_state)


@contextmanager
def _unlimited(schema_editor: BaseDatabaseSchemaEditor) -> Iterator[None]:
    """Hold a block whose statements may run and wait for long: they stop nobody else meanwhile."""
    limits = ("statement_timeout", "lock_timeout")
    for limit in limits:
        schema_editor.execute(f"SET {limit} = 0")
    with answering(schema_editor.connection, float("inf")):
        yield
    for limit in limits:
        schema_editor.execute(f"RESET {limit}")
