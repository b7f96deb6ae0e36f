"""The indexes that lists of tokens are walked by, then the end of the one they replace. Phase: expand."""

from django.db import migrations, models

from populace.infra.db.operations import AddIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("credentials", "0001_initial"),
    ]

    operations = [
        AddIndex("apitoken", models.Index(fields=["revoked_at", "id"], name="token_valid")),
        AddIndex("apitoken", models.Index(fields=["user_id", "revoked_at", "id"], name="token_owner")),
        migrations.AlterField("apitoken", "user_id", models.UUIDField()),
    ]
