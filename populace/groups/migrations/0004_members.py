"""The index that a group's members are walked by, then the end of the one it replaces. Phase: expand."""

import django.db.models.deletion
from django.db import migrations, models

from populace.infra.db.operations import AddIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("groups", "0003_rights_version"),
    ]

    operations = [
        AddIndex("membership", models.Index(fields=["group", "user"], name="membership_group")),
        migrations.AlterField(
            "membership",
            "group",
            models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                to="groups.group",
                related_name="memberships",
                db_index=False,
            ),
        ),
    ]
