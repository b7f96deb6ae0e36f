"""How two columns are read. Phase: expand; the table stays as it is."""

from django.db import migrations, models

import populace.infra.tasks.models


class Migration(migrations.Migration):
    dependencies = [("tasks", "0001_initial")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="taskrow",
                    name="args",
                    field=models.JSONField(decoder=populace.infra.tasks.models.Readable, default=dict),
                ),
                migrations.AlterField(
                    model_name="taskrow",
                    name="result",
                    field=models.JSONField(decoder=populace.infra.tasks.models.Readable, null=True),
                ),
            ]
        )
    ]
