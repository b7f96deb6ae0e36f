"""The shipped roles and the version of all rights, put back after a test that emptied every table."""

from importlib import import_module

SHIPPED = import_module("populace.groups.migrations.0002_rights").SHIPPED


def ship() -> None:
    """Make the rows that migrations make, where a transactional test has removed them."""
    from django.apps import apps
    from django.db import connection

    from populace.groups.models import Role

    if not Role.objects.exists():
        import_module("populace.groups.migrations.0002_rights").ship_roles(apps, connection.schema_editor())
        import_module("populace.groups.migrations.0003_rights_version").make_row(apps, connection.schema_editor())
