"""The index that finds what is left to wrap. Phase: expand; built beside running writes on PostgreSQL."""

from django.db import migrations, models

from populace.infra.db.operations import AddIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("users", "0004_attributes"),
    ]

    operations = [
        AddIndex(
            model_name="user",
            index=models.Index(
                fields=["id"], name="user_bare_password", condition=models.Q(("password__startswith", "fast$"))
            ),
        )
    ]
