"""The schema of the attributes and the values of those that are indexed. Phase: expand."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import populace.infra.db.fields


class Migration(migrations.Migration):
    dependencies = [
        ("users", "0003_confusable"),
    ]

    operations = [
        migrations.CreateModel(
            name="AttributeSchema",
            fields=[
                ("version", models.BigIntegerField(primary_key=True, serialize=False)),
                ("schema", models.TextField()),
                ("stored_at", models.DateTimeField()),
                ("filled", models.JSONField(default=list)),
            ],
            options={"abstract": False},
        ),
        migrations.CreateModel(
            name="AttributeValue",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "user_id", "name", "value", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attribute_values",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("name", populace.infra.db.fields.NormalField(max_length=64)),
                ("value", populace.infra.db.fields.NormalField(max_length=202)),
            ],
            options={
                "indexes": [models.Index(fields=["name", "value", "user"], name="attribute_value")],
            },
        ),
    ]
