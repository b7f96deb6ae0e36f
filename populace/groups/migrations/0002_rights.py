"""Roles, nesting, and the roles that are shipped."""

from uuid import NAMESPACE_URL, uuid5

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import populace.infra.db.fields
import populace.infra.db.ids

VIEWER = ["users:read", "groups:read"]
HELPDESK = [*VIEWER, "users:write"]
EVERYTHING = [f"{thing}:{right}" for thing in ("users", "groups", "events", "tokens", "jobs") for right in ("read", "write")]
SHIPPED = {
    "viewer": VIEWER,
    "helpdesk": HELPDESK,
    "manager": [*HELPDESK, "groups:write", "jobs:read", "jobs:write"],
    "auditor": [*VIEWER, "events:read"],
    "owner": [*EVERYTHING, "metrics:read", "admin"],
}


def ship_roles(apps, schema_editor):
    """Make the shipped roles, whose ids follow from their names, and every group a part of itself."""
    using = schema_editor.connection.alias
    roles, groups, closure = (apps.get_model("groups", name) for name in ("Role", "Group", "GroupClosure"))
    roles._base_manager.using(using).bulk_create(
        (
            roles(id=uuid5(NAMESPACE_URL, f"populace:role:{name}"), name=name, permissions=permissions)
            for name, permissions in SHIPPED.items()
        ),
        ignore_conflicts=True,  # begun anew, where no transaction holds a whole migration (MariaDB)
    )
    ids = groups._base_manager.using(using).values_list("id", flat=True)
    own = (closure(group_id=id, ancestor_id=id, depth=0) for id in ids)
    closure._base_manager.using(using).bulk_create(own, ignore_conflicts=True)


def link(to, related_name, *, indexed=False):
    """Return a foreign key; the first column of a composite key needs no index of its own."""
    return models.ForeignKey(
        on_delete=django.db.models.deletion.CASCADE, to=to, related_name=related_name, db_index=indexed
    )


def key(*columns):
    """Return a composite primary key."""
    return models.CompositePrimaryKey(*columns, blank=True, editable=False, primary_key=True, serialize=False)


PLAIN = {"abstract": False}


class Migration(migrations.Migration):
    dependencies = [
        ("groups", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Role",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=populace.infra.db.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", populace.infra.db.fields.NormalField(max_length=64, unique=True)),
                ("permissions", models.JSONField(default=list)),
            ],
            options=PLAIN,
        ),
        migrations.CreateModel(
            name="RoleAssignment",
            fields=[
                ("pk", key("user_id", "role_id")),
                ("user", link(settings.AUTH_USER_MODEL, "role_assignments")),
                ("role", link("groups.role", "assignments", indexed=True)),
            ],
            options=PLAIN,
        ),
        migrations.CreateModel(
            name="GroupRole",
            fields=[
                ("pk", key("group_id", "role_id")),
                ("group", link("groups.group", "role_links")),
                ("role", link("groups.role", "group_links", indexed=True)),
            ],
            options=PLAIN,
        ),
        migrations.CreateModel(
            name="GroupParent",
            fields=[
                ("pk", key("group_id", "parent_id")),
                ("group", link("groups.group", "parent_links")),
                ("parent", link("groups.group", "child_links", indexed=True)),
            ],
            options=PLAIN,
        ),
        migrations.CreateModel(
            name="GroupClosure",
            fields=[
                ("pk", key("group_id", "ancestor_id")),
                ("group", link("groups.group", "ancestor_links")),
                ("ancestor", link("groups.group", "descendant_links", indexed=True)),
                ("depth", models.SmallIntegerField()),
            ],
            options=PLAIN,
        ),
        migrations.RunPython(ship_roles, migrations.RunPython.noop),
    ]
