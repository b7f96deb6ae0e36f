from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('naive', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='attributes',
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name='user',
            name='email_verified',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='user',
            name='external_id',
            field=models.CharField(blank=True, default='', max_length=255),
        ),
        migrations.AddField(
            model_name='user',
            name='kind',
            field=models.CharField(default='person', max_length=16),
        ),
        migrations.AddField(
            model_name='user',
            name='locale',
            field=models.CharField(blank=True, default='', max_length=35),
        ),
        migrations.AddField(
            model_name='user',
            name='phone',
            field=models.CharField(blank=True, default='', max_length=32),
        ),
        migrations.AddField(
            model_name='user',
            name='timezone',
            field=models.CharField(blank=True, default='', max_length=64),
        ),
        migrations.AddField(
            model_name='user',
            name='updated_at',
            field=models.DateTimeField(auto_now=True),
        ),
        migrations.AddField(
            model_name='user',
            name='version',
            field=models.BigIntegerField(default=1),
        ),
        migrations.AddIndex(
            model_name='user',
            index=models.Index(fields=['-date_joined', 'id'], name='user_joined'),
        ),
    ]
