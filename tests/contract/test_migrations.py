"""Migrations stop no writes: what they send to a PostgreSQL that is in use is looked at, statement by statement."""

import re

import pytest
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from populace.infra.db.operations import AddIndex

NAME = r'"?(?P<table>\w+)"?'
CREATED = re.compile(rf"CREATE TABLE {NAME}")
BUILDS = (
    re.compile(rf"CREATE (UNIQUE )?INDEX (?!CONCURRENTLY).* ON {NAME}"),
    re.compile(rf"ALTER TABLE {NAME} .*\b(UNIQUE|PRIMARY KEY|EXCLUDE)\b(?! USING INDEX)"),
)
SHORT = models.Index(fields=["locale"], name="short_lived")

pytestmark = pytest.mark.django_db(transaction=True)
only_postgresql = pytest.mark.only_on("postgresql", "the others build no index beside writes")


def blocking(statements):
    """Return the statements that build an index on a table which none of them has made, with writes shut out."""
    made = {found["table"] for text in statements if (found := CREATED.match(text))}
    return [
        text for text in statements for builds in BUILDS if (found := builds.match(text)) and found["table"] not in made
    ]


def sent(migration, state):
    """Return what the migration sends to the database, and bring `state` behind it."""
    with connection.schema_editor(collect_sql=True, atomic=migration.atomic) as editor:
        migration.apply(state, editor, collect_sql=True)
    return [line for line in editor.collected_sql if not line.startswith("--")]


def ours():
    """Return every migration of ours in the order they are applied, each with the state before it."""
    loader, state = MigrationLoader(None), ProjectState()
    done = set()
    for leaf in sorted(loader.graph.leaf_nodes()):
        for key in loader.graph.forwards_plan(leaf):
            if key in done:
                continue
            done.add(key)
            migration = loader.get_migration(*key)
            if type(migration).__module__.startswith("populace."):
                yield migration, state.clone()
            state = migration.mutate_state(state, preserve=False)


@only_postgresql
def test_no_migration_builds_an_index_with_writes_shut_out():
    """Guard: populace/infra/db/operations.py:AddIndex, which every migration uses for a table that is there."""
    walked = {str(migration): blocking(sent(migration, state)) for migration, state in ours()}
    assert {name: found for name, found in walked.items() if found} == {}
    assert len(walked) >= 10


@only_postgresql
@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddIndex("user", SHORT),
        migrations.AlterField("user", "locale", models.CharField(max_length=35, db_index=True)),
        migrations.AddField("user", "other", models.CharField(max_length=35, unique=True, default="")),
        migrations.AddConstraint("user", models.UniqueConstraint(fields=["locale"], name="one_each")),
        migrations.RunSQL("CREATE INDEX x ON users_user (locale)"),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_the_ordinary_ways_to_build_one_are_noticed(operation):
    migration = migrations.Migration("0099_test", "users")
    migration.operations = [operation]
    assert len(blocking(sent(migration, MigrationLoader(None).project_state()))) >= 1


def test_what_an_interrupted_build_left_is_made_anew():
    """Guard: populace/infra/db/operations.py:AddIndex.database_forwards."""
    before = MigrationLoader(None).project_state()
    after = before.clone()
    add = AddIndex("user", SHORT)
    add.state_forwards("users", after)

    def there():
        with connection.cursor() as cursor:
            return "short_lived" in connection.introspection.get_constraints(cursor, "users_user")

    for way, states, found in (
        (add.database_forwards, (before, after), True),
        (add.database_forwards, (before, after), True),
        (add.database_backwards, (after, before), False),
    ):
        with connection.schema_editor(atomic=False) as editor:
            way("users", editor, *states)
        assert there() == found


@only_postgresql
def test_no_time_limit_ends_a_build_and_later_statements_have_theirs():
    """Guard: populace/infra/db/operations.py:_unlimited."""
    migration = migrations.Migration("0099_test", "users")
    migration.atomic, migration.operations = False, [AddIndex("user", SHORT)]
    texts = sent(migration, MigrationLoader(None).project_state())
    build = next(place for place, text in enumerate(texts) if text.startswith("CREATE INDEX CONCURRENTLY"))
    for limit in ("statement_timeout", "lock_timeout"):
        assert f"SET {limit} = 0;" in texts[:build]
        assert f"RESET {limit};" in texts[build:]
