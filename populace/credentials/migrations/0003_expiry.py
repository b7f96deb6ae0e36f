"""The index that finds tokens whose end is long over. Phase: expand."""

from django.db import migrations, models

from populace.infra.db.operations import AddIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("credentials", "0002_lists"),
    ]

    operations = [
        AddIndex("apitoken", models.Index(fields=["expires_at"], name="token_expires")),
    ]
