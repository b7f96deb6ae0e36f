"""Whom a job is about. Phase: expand; a new table only."""

import datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('bulk', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='BulkTarget',
            fields=[
                ('pk', models.CompositePrimaryKey('job_id', 'user_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('job_id', models.UUIDField()),
                ('user_id', models.UUIDField()),
                ('row', models.BigIntegerField()),
                ('changed_at', models.DateTimeField(default=datetime.datetime(1000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))),
            ],
            options={
                'abstract': False,
            },
        ),
    ]
