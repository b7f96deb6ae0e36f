"""Jobs, their files and their bad rows. Phase: expand; new tables only."""

import datetime
import populace.infra.db.fields
import populace.infra.db.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='JobError',
            fields=[
                ('pk', models.CompositePrimaryKey('job_id', 'row', blank=True, editable=False, primary_key=True, serialize=False)),
                ('job_id', models.UUIDField()),
                ('row', models.BigIntegerField()),
                ('code', populace.infra.db.fields.NormalField(max_length=40)),
                ('reason', models.TextField()),
                ('sent', models.JSONField(null=True)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='JobFile',
            fields=[
                ('pk', models.CompositePrimaryKey('job_id', 'name', blank=True, editable=False, primary_key=True, serialize=False)),
                ('job_id', models.UUIDField()),
                ('name', populace.infra.db.fields.NormalField(max_length=20)),
                ('filename', models.CharField(max_length=200)),
                ('content_type', models.CharField(max_length=100)),
                ('size', models.BigIntegerField()),
                ('rows', models.BigIntegerField(default=0)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Job',
            fields=[
                ('id', models.UUIDField(default=populace.infra.db.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', populace.infra.db.fields.NormalField(max_length=40)),
                ('state', populace.infra.db.fields.NormalField(default='queued', max_length=10)),
                ('user_id', models.UUIDField()),
                ('scopes', models.CharField(max_length=400)),
                ('request_id', models.CharField(blank=True, default='', max_length=64)),
                ('options', models.JSONField(default=dict)),
                ('position', models.JSONField(default=dict)),
                ('done', models.BigIntegerField(default=0)),
                ('total', models.BigIntegerField(null=True)),
                ('result', models.JSONField(null=True)),
                ('code', populace.infra.db.fields.NormalField(blank=True, default='', max_length=40)),
                ('detail', models.CharField(blank=True, default='', max_length=400)),
                ('cancel_asked', models.BooleanField(default=False)),
                ('rested', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField()),
                ('started_at', models.DateTimeField(default=datetime.datetime(1000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))),
                ('finished_at', models.DateTimeField(default=datetime.datetime(9999, 12, 31, 0, 0, tzinfo=datetime.timezone.utc))),
                ('expires_at', models.DateTimeField(default=datetime.datetime(9999, 12, 31, 0, 0, tzinfo=datetime.timezone.utc))),
            ],
            options={
                'indexes': [models.Index(fields=['user_id', 'id'], name='job_owner'), models.Index(fields=['state', 'user_id'], name='job_state'), models.Index(fields=['expires_at'], name='job_expires')],
            },
        ),
    ]
