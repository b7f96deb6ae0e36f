"""A26 over HTTP: after many uses, database and logs hold hashes alone, and the last use has been written once."""

import re
import time

import httpx
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from populace.credentials.models import ApiToken
from populace.credentials.tokens import CHECK_DIGITS, LENGTH, _checksum, digest, make_token
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


def alike(secret, count):
    """Return a well-formed token that begins with `count` characters of another one."""
    body = secret[:count] + make_token()[count : LENGTH - CHECK_DIGITS]
    return body + _checksum(body)


@pytest.mark.django_db
def test_a26_a_look_up_costs_the_same_whatever_prefix_is_right(client_of, token, make_user):
    """Guard: populace/credentials/tokens.py:digest_of; populace/api/authentication.py:_VALID.

    The only thing compared with what is stored is a digest of the whole token, for equality by the primary key: of a
    right prefix nothing is left in it, so there is no slope that a clock could find.
    """
    secret, path = token("users:read"), f"/api/v1/users/{make_user()['id']}"
    asked = set()
    for count in (4, 5, 12, 24, 36, 46, 47):
        guess = alike(secret, count)
        if guess == secret:
            continue  # with all 47, the checksum is right, too
        with CaptureQueriesContext(connection) as queries:
            assert client_of(guess).get(path).status_code == 401
        (query,) = [one["sql"] for one in queries]
        assert query.count(digest(guess)) == 1
        assert secret[4:10] not in query
        asked.add(query.replace(digest(guess), "…"))
        assert digest(guess)[:8] != digest(secret)[:8]
    assert len(asked) == 1
    assert re.findall(r'"digest" (\S+)', asked.pop()) == ["="]
    assert ApiToken._meta.pk.name == "digest"
