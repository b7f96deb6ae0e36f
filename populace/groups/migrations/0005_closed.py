"""That a group is being deleted by a job. Phase: expand; a column with a default of the database."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('groups', '0004_members'),
    ]

    operations = [
        migrations.AddField(
            model_name='group',
            name='closed',
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
