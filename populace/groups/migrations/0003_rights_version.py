"""A number that tells every process that somebody's rights have changed."""

from django.db import migrations, models


def make_row(apps, schema_editor):
    """Make the one row."""
    apps.get_model("groups", "RightsVersion").objects.using(schema_editor.connection.alias).get_or_create(id=1)


class Migration(migrations.Migration):
    dependencies = [("groups", "0002_rights")]

    operations = [
        migrations.CreateModel(
            name="RightsVersion",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("value", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.RunPython(make_row, migrations.RunPython.noop),
    ]
