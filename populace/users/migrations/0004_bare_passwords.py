"""The index that finds what is left to wrap. Phase: expand; built beside running writes on PostgreSQL."""

from importlib import import_module

from django.db import migrations, models

AddIndex = import_module("populace.users.migrations.0002_lists").AddIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("users", "0003_attributes"),
    ]

    operations = [
        AddIndex(
            model_name="user",
            index=models.Index(
                fields=["id"], name="user_bare_password", condition=models.Q(("password__startswith", "fast$"))
            ),
        )
    ]
