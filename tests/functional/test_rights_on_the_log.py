"""The role of the requests may add to the log and blank what is personal, and nothing else."""

import itertools

import psycopg
import pytest

from tests.support.installation import Installation
from tests.support.missing import missing
from tests.support.plugin import Session
from tests.support.sql import rows

pytestmark = pytest.mark.only_on("postgresql", "only PostgreSQL has roles")
_numbers = itertools.count(1)


@pytest.fixture
def two_roles(tmp_path):
    """An installation whose tables belong to one role, and whose processes come as another one."""
    if Session.postgresql is None:
        missing(Session.missing)
    number = next(_numbers)
    owner, app, database = f"owner{number}", f"app{number}", f"roles{number}"
    with psycopg.connect(Session.postgresql.url("template1"), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {owner} LOGIN")
        connection.execute(f"CREATE ROLE {app} LOGIN")
        connection.execute(f"CREATE DATABASE {database} OWNER {owner}")
    place = Session.postgresql.url(database).partition("@")[2]
    made = Installation(
        tmp_path, DATABASE_URL=f"postgres://{app}@{place}", DATABASE_OWNER_URL=f"postgres://{owner}@{place}"
    )
    yield made
    made.stop()


def refused(url, statement):
    """Tell whether the role lacks the right."""
    with psycopg.connect(url) as connection:
        try:
            connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            return True
    return False


def test_the_log_is_added_to_and_blanked_and_otherwise_left_alone(two_roles):
    """A57 in part. Guard: populace/infra/db/rights.py:grant."""
    url = two_roles.env["DATABASE_URL"]
    months = [
        name
        for (name,) in rows(
            url, "SELECT relname FROM pg_class WHERE relname LIKE 'audit\\_event\\_20%\\_%' AND relkind = 'r'"
        )
    ]
    assert len(months) >= 2
    for statement in (
        "DELETE FROM audit_event",
        "TRUNCATE audit_event",
        "UPDATE audit_event SET action = 'x'",
        "UPDATE audit_event SET at = now()",
        "UPDATE audit_event SET actor = subject_id, details = NULL",
        "DROP TABLE audit_event",
        "ALTER TABLE audit_event DROP COLUMN details",
        *(f"DELETE FROM {name}" for name in (*months, "audit_event_default")),
        *(f"UPDATE {name} SET details = NULL" for name in months),
        *(f"SELECT FROM {name}" for name in months),
    ):
        assert refused(url, statement), statement
    assert not refused(url, "UPDATE audit_event SET details = NULL")
    assert not refused(url, "SELECT FROM audit_event")
    assert not refused(url, "DELETE FROM audit_outbox")


def test_everything_works_as_that_role_erasure_too(two_roles):
    two_roles.start_web()
    two_roles.start_worker()
    made = two_roles.http.post("/api/v1/users", json={"email": "gone@example.org", "first_name": "Ann"})
    assert made.status_code == 201, made.text
    path, id = made.headers["Location"], made.json()["id"]
    assert two_roles.http.patch(path, json={"first_name": "Zoë"}).status_code == 200
    assert two_roles.http.delete(path).status_code == 204
    shown = two_roles.http.get(f"/api/v1/events?subject={id}").json()["results"]
    assert [(event["action"], event["changes"]) for event in shown] == [
        ("user.erased", {}),
        ("user.updated", None),
        ("user.created", None),
    ]


def test_a_second_migrate_and_a_new_month_open_nothing(two_roles):
    """Guard: populace/infra/db/rights.py:grant (no default privileges, partitions revoked)."""
    two_roles.populace("migrate")
    url = two_roles.env["DATABASE_URL"]
    with psycopg.connect(two_roles.env["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute(
            "CREATE TABLE audit_event_2040_01 PARTITION OF audit_event FOR VALUES FROM ('2040-01-01') TO ('2040-02-01')"
        )
    assert refused(url, "DELETE FROM audit_event_2040_01")
    two_roles.populace("migrate")
    assert refused(url, "DELETE FROM audit_event_2040_01")
    assert refused(url, "DELETE FROM audit_event")
