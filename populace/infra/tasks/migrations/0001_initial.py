"""The task queue. Phase: expand; a new table only."""

from django.db import migrations, models

import populace.infra.db.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="TaskRow",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=populace.infra.db.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("args", models.JSONField(default=dict)),
                ("lane", models.SmallIntegerField(default=1)),
                ("state", models.SmallIntegerField(default=0)),
                ("due_at", models.DateTimeField()),
                ("fence", models.BigIntegerField(default=0)),
                ("attempts", models.SmallIntegerField(default=0)),
                ("enqueued_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("result", models.JSONField(null=True)),
                ("error", models.TextField(default="")),
            ],
            options={
                "indexes": [models.Index(fields=["state", "lane", "due_at"], name="task_due")],
            },
        ),
    ]
