"""The state of a database's schema, by which two installations are told to be of one version."""

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor


def schema(using: str = DEFAULT_DB_ALIAS) -> dict[str, str] | None:
    """Return {app: its newest migration} of our own apps; None where the database is not at this version's schema."""
    executor = MigrationExecutor(connections[using])
    newest = executor.loader.graph.leaf_nodes()
    if executor.migration_plan(newest):
        return None
    return {app: name for app, name in newest if apps.get_app_config(app).name.startswith("populace.")}
