"""A01: another spelling of a user name makes no second person, whichever door it comes through."""

import psycopg
import pytest

from tests.support.sql import rows

HELD = ["admin", "kelvin", "ádmin"]
TWINS = ["ADMIN", "aDmin", "ＡＤＭＩＮ", "\u212aelvin", "a\u0301dmin", "A\u0301DMIN"]


@pytest.fixture(scope="module", autouse=True)
def held(town):
    for name in HELD:
        assert town.http.post("/api/v1/users", json={"username": name}).status_code == 201


def test_a01_a_twin_of_a_user_name_is_taken_at_every_door(town, door, same):
    """Guard: populace/users/identifiers.py:username_normal (the mapping), and the primary key of Identifier."""
    same()
    outcomes = door.enter(town, [{"username": name} for name in TWINS])
    assert [outcome.code for outcome in outcomes] == ["username_taken"] * len(TWINS)
    assert {outcome.status for outcome in outcomes} <= {0, 409}


@pytest.mark.only_on("postgresql", "raw SQL of PostgreSQL")
def test_a01_the_database_itself_refuses_a_second_claim(town):
    """Guard: populace/users/models.py:Identifier.key (primary key), so that no code can forget to ask."""
    url = town.env["DATABASE_URL"]
    assert rows(url, "SELECT count(*) FROM users_identifier WHERE key = 'username:admin'") == [(1,)]
    raw = (
        "INSERT INTO users_identifier (key, user_id, unicode_version) VALUES ('username:admin', gen_random_uuid(), '')"
    )
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(raw)
