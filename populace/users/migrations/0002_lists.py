"""The indexes that lists are walked by. Phase: expand; built beside running writes on PostgreSQL."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

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


class AddIndex(AddIndexConcurrently):
    """Add an index without stopping writes where the engine can; begun anew if it was interrupted."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor != "postgresql":
            migrations.AddIndex.database_forwards(self, app_label, schema_editor, from_state, to_state)
            return
        # What an interrupted CREATE INDEX CONCURRENTLY leaves behind is invalid, and in the way.
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.index.name)}")
        super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor != "postgresql":
            migrations.AddIndex.database_backwards(self, app_label, schema_editor, from_state, to_state)
            return
        super().database_backwards(app_label, schema_editor, from_state, to_state)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("users", "0001_initial"),
    ]

    operations = [
        AddIndex(model_name="user", index=models.Index(fields=[*columns, "id"], name=name))
        for name, columns in INDEXES.items()
    ]
