"""The indexes that lists are walked by. Phase: expand; built beside running writes on PostgreSQL."""

from django.db import migrations, models

from populace.infra.db.operations import AddIndex

INDEXES = {
    "user_joined": ["date_joined"],
    "user_updated": ["updated_at"],
    "user_signed_in": ["last_sign_in_at"],
    "user_username": ["username_normal"],
    "user_email": ["email_normal"],
    "user_last_name": ["last_name_normal"],
    "user_first_name": ["first_name_normal"],
    "user_active": ["is_active", "date_joined"],
    "user_domain": ["email_domain", "date_joined"],
    "user_domain_active": ["email_domain", "is_active", "date_joined"],
}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("users", "0001_initial"),
    ]

    operations = [
        AddIndex(model_name="user", index=models.Index(fields=[*columns, "id"], name=name))
        for name, columns in INDEXES.items()
    ]
