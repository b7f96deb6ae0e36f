"""A27 over HTTP: a token does what its scopes and its owner's roles say, on every endpoint, and makes no wider one."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.support.endpoints import METHODS, documented, endpoints
from tests.support.sql import rows


@pytest.fixture
def client_of(town):
    """Return `client_of(*scopes, **more)`: a client with a token of the administrator's."""
    clients = []

    def make(*scopes, **more):
        made = town.http.post("/api/v1/tokens", json={"name": "a27", "scopes": scopes} | more).json()
        client = httpx.Client(base_url=town.url, headers={"Authorization": f"Bearer {made['secret']}"}, timeout=10)
        clients.append(client)
        return client, made

    yield make
    for client in clients:
        client.close()


def stored(town):
    """Return what a change would have changed: people, groups, tokens, events but those of refusals."""
    tables = ("users_user", "groups_group", "groups_roleassignment", "audit_event WHERE action <> 'authz.denied'")
    tokens = "SELECT digest, scopes, expires_at, revoked_at FROM credentials_apitoken ORDER BY digest"
    url = town.env["DATABASE_URL"]
    return [sorted(map(str, rows(url, f"SELECT * FROM {table}"))) for table in tables], rows(url, tokens)


def test_a27_a_token_for_reading_people_does_that_and_nothing_else_although_its_owner_may_everything(town, client_of):
    """Guard: populace/api/authentication.py:require."""
    reader, own = client_of("users:read")
    needed = documented()
    before = stored(town)
    asked = 0
    for endpoint in endpoints():
        if endpoint.path in ("/metrics", "/api/v1/openapi.json", "/api/docs"):
            continue  # open in local mode
        for id in (town.administrator_id, own["id"]):
            response = reader.request(endpoint.method, endpoint.at(id=id), json={})
            asked += 1
            if needed[endpoint] == "users:read":
                assert response.status_code not in (401, 403), endpoint
                continue
            assert response.status_code == 403, endpoint
            assert endpoint.method == "HEAD" or response.json()["code"] == "scope", endpoint
    assert asked > 2 * len(METHODS)
    assert stored(town) == before


def test_a27_a_token_makes_no_wider_and_no_longer_lived_one(town, client_of):
    """Guard: populace/credentials/actions.py:_check_within."""
    end = datetime.now(UTC) + timedelta(hours=1)
    minter, own = client_of("tokens:write", "tokens:read", "users:read", expires_at=end.isoformat())
    other, wider = client_of("users:write")
    _, longer = client_of("users:read")
    count = len(town.http.get("/api/v1/tokens?limit=200").json()["results"])
    refused = [
        minter.post("/api/v1/tokens", json={"name": "x", "scopes": ["admin"]}),
        minter.post("/api/v1/tokens", json={"name": "x", "scopes": ["users:read", "users:write"]}),
        minter.post(
            "/api/v1/tokens",
            json={"name": "x", "scopes": ["users:read"], "expires_at": (end + timedelta(seconds=1)).isoformat()},
        ),
        minter.post(f"/api/v1/tokens/{wider['id']}/rotate"),
        minter.post(f"/api/v1/tokens/{longer['id']}/rotate"),
    ]
    assert [(one.status_code, one.json()["code"]) for one in refused] == [(403, "scope")] * len(refused)
    changed = [
        minter.request(method, f"/api/v1/tokens/{own['id']}", json={"scopes": ["admin"]}) for method in ("PATCH", "PUT")
    ]
    assert [one.status_code for one in changed] == [405, 405]
    assert len(town.http.get("/api/v1/tokens?limit=200").json()["results"]) == count
    made = minter.post("/api/v1/tokens", json={"name": "x", "scopes": ["users:read"]})
    assert (made.status_code, made.json()["expires_at"]) == (201, own["expires_at"])
    assert other.post("/api/v1/tokens", json={"name": "x", "scopes": ["users:write"]}).json()["code"] == "scope"


def test_a27_rights_are_the_owners_at_that_moment(town):
    """Guards: populace/api/authentication.py:held_by; populace/groups/guards.py:rights_changed."""
    made = town.http.post("/api/v1/users", json={"email": "demoted@example.com"}).json()
    roles = f"/api/v1/users/{made['id']}/roles"
    body = {"name": "wide", "scopes": ["admin"], "owner": made["id"]}
    secret = town.http.post("/api/v1/tokens", json=body).json()["secret"]

    def status():
        response = httpx.get(f"{town.url}/api/v1/users/{made['id']}", headers={"Authorization": f"Bearer {secret}"})
        return response.status_code, response.json().get("code")

    assert status() == (403, "forbidden")
    town.http.post(roles, json={"add": ["viewer"]})
    assert status() == (200, None)
    town.http.post(roles, json={"remove": ["viewer"]})
    assert status() == (403, "forbidden")
