"""The event log (by month on PostgreSQL), the outbox, the feed and its counter. Phase: expand; new tables only."""

from django.db import migrations, models

import populace.infra.db.ids
from populace.infra.db.indexes import Walked
from populace.infra.db.operations import CreatePartitionedModel


def start_counting(apps, schema_editor):
    # The dispatcher locks this row: it must be there, and once only, before the first event.
    counters = apps.get_model("audit", "Counter").objects.using(schema_editor.connection.alias)
    counters.get_or_create(name="feed")


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Counter",
            fields=[
                ("name", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("value", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="Feed",
            fields=[
                ("seq", models.BigIntegerField(primary_key=True, serialize=False)),
                ("subject_id", models.UUIDField()),
                ("at", models.DateTimeField()),
                ("event_id", models.UUIDField()),
            ],
        ),
        migrations.CreateModel(
            name="Outbox",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("event_id", models.UUIDField()),
                ("subject_id", models.UUIDField()),
                ("action", models.CharField(max_length=64)),
                ("at", models.DateTimeField()),
                ("quiet", models.BooleanField(default=False)),
            ],
            options={
                "abstract": False,
            },
        ),
        CreatePartitionedModel(
            name="Event",
            partition_by="at",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "subject_id", "at", "id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("subject_id", models.UUIDField()),
                ("at", models.DateTimeField()),
                ("id", models.UUIDField(default=populace.infra.db.ids.new_id)),
                ("subject_kind", models.CharField(max_length=16)),
                ("action", models.CharField(max_length=64)),
                ("actor", models.UUIDField()),
                ("request_id", models.CharField(blank=True, default="", max_length=64)),
                ("details", models.JSONField(null=True)),
            ],
            options={
                "indexes": [
                    Walked(fields=["actor", "at"], then=["id"], name="event_actor"),
                    Walked(fields=["action", "at"], then=["id"], name="event_action"),
                ],
            },
        ),
        migrations.RunPython(start_counting, migrations.RunPython.noop),
    ]
