"""A26 over HTTP: after many uses, database and logs hold hashes alone, and the last use has been written once."""

import time

import httpx

from tests.support.processes import wait_until
from tests.support.sql import rows


def everything(installation):
    """Return all text that the installation's tables hold."""
    url = installation.env["DATABASE_URL"]
    if url.startswith("sqlite"):
        tables = rows(url, "SELECT name FROM sqlite_master WHERE type = 'table'")
    else:
        tables = rows(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return "\n".join(str(rows(url, f'SELECT * FROM "{name}"')) for (name,) in tables)


def test_a26_after_a_thousand_uses_only_the_hash_is_anywhere(town):
    """Guards: populace/credentials/actions.py:create_token stores a digest; populace/credentials/usage.py:start."""
    made = town.http.post("/api/v1/tokens", json={"name": "a26", "scopes": ["users:read"]})
    secret, path = made.json()["secret"], f"/api/v1/users/{town.administrator_id}"
    with httpx.Client(base_url=town.url, headers={"Authorization": f"Bearer {secret}"}) as client:
        for _ in range(1000):
            assert client.get(path).status_code == 200
    assert town.http.get("/api/v1/tokens").json()["results"][-1].get("secret") is None
    shown = f"/api/v1/tokens/{made.json()['id']}"
    wait_until(lambda: town.http.get(shown).json()["last_used_at"], "the last use is written", 40)
    first = town.http.get(shown).json()["last_used_at"]
    httpx.get(town.url + path, headers={"Authorization": f"Bearer {secret}"})
    time.sleep(0.5)
    assert town.http.get(shown).json()["last_used_at"] == first
    logs = "".join(log.read_text() for log in town.var.glob("*.log"))
    assert path in logs
    for text in (everything(town), logs):
        assert secret not in text
        assert secret[4:20] not in text
