"""POPULACE_SEARCH_PARTS, as an operator meets it: a migrated database with the index of parts, and one without."""

from tests.support.sql import rows

THERE = {
    "sqlite": "SELECT name FROM sqlite_master WHERE name LIKE 'user#_parts%' ESCAPE '#'",
    "mariadb": "SELECT table_comment FROM information_schema.tables"
    " WHERE table_schema = database() AND table_name = 'user_parts'",
    "postgresql": "SELECT indexrelid::regclass::text FROM pg_index WHERE indexrelid = to_regclass('user_parts')",
}
Q = {  # inside of the administrator's address
    "sqlite": "ministrat",
    "postgresql": "ministrat",
    "mariadb": "example",
}


def test_it_is_made_and_removed_by_migrate_and_believed_by_the_server(installation, engine):
    """Guard: populace/users/apps.py (after every migrate)."""
    url, statement = installation.env["DATABASE_URL"], THERE[engine]
    assert rows(url, statement)
    installation.populace("doctor")
    installation.start_web()
    [found] = installation.http.get("/api/v1/users", params={"q": Q[engine]}).json()["results"]
    assert found["id"] == installation.administrator_id
    installation.env["POPULACE_SEARCH_PARTS"] = "off"
    assert "beginnings" in installation.populace("doctor")
    installation.populace("migrate")
    assert rows(url, statement) == []
    installation.env["POPULACE_SEARCH_PARTS"] = "on"
    assert "no index of parts: populace migrate" in installation.populace("doctor", expected=1)
    installation.populace("migrate")
    installation.populace("doctor")
    assert rows(url, statement)
