"""A30: what only verbs may set is refused at every door, with its place, and never quietly dropped."""

import json

import httpx
import pytest

from populace.bulk.formats.exported import SHOWN
from tests.support.doors import DOORS

SET_BY_VERBS = ["id", "is_active", "email_verified", "groups", "last_login", "version", "date_joined", "updated_at"]
NOWHERE = ["is_superuser", "is_staff", "org", "permissions", "roles", "created_at", "mfa", "scim_managed"]
VALUE = {
    "id": "01a21037-4bdf-7000-9423-333b9e0c4f0a",
    "groups": [{"id": "01a21037-4bdf-7000-9423-333b9e0c4f0a", "name": "Owners"}],
    "permissions": ["admin"],
    "roles": ["owner"],
    "is_active": False,
    "version": 9,
}


@pytest.fixture(scope="module")
def people(town):
    """A client for each kind of caller; the member holds no role."""
    clients = {}
    for role in ("member", "manager"):
        made = town.http.post("/api/v1/users", json={"email": f"{role}@example.com"}).json()
        if role != "member":
            town.http.post(f"/api/v1/users/{made['id']}/roles", json={"add": [role]}).raise_for_status()
        body = {"name": role, "scopes": ["admin"], "owner": made["id"]}
        secret = town.http.post("/api/v1/tokens", json=body).json()["secret"]
        headers = {"Authorization": f"Bearer {secret}"}
        clients[role] = (made["id"], httpx.Client(base_url=town.url, headers=headers, timeout=10))
    yield clients
    for _, client in clients.values():
        client.close()


@pytest.mark.parametrize("name", SET_BY_VERBS + NOWHERE)
@pytest.mark.parametrize("role", ["member", "manager"])
def test_a30_by_http_it_is_refused_with_its_pointer(town, people, same, role, name):
    """Guard: populace/users/documents.py:StrictDocument and check_read_only."""
    own, client = people[role]
    same()
    body = {name: VALUE.get(name, True)}
    for response in (
        client.post("/api/v1/users", json={"email": "new@example.com"} | body),
        client.patch(f"/api/v1/users/{own}", json=body),
        client.patch(f"/api/v1/users/{town.victim}", json=body),
    ):
        told = response.json()
        if role == "member":
            assert (response.status_code, told["code"]) == (403, "forbidden")
        else:
            code = "read_only" if name in SET_BY_VERBS else "unknown_field"
            assert (response.status_code, told["code"]) == (400, "invalid")
            assert {fault["pointer"].split("/")[1] for fault in told["errors"]} == {name}
            assert {fault["code"] for fault in told["errors"]} == {code}


@pytest.mark.parametrize("role", ["member", "manager"])
def test_a30_a_password_or_a_hash_is_set_by_its_own_verb_and_rights(town, people, same, role):
    """Guards: populace/users/documents.py:StrictDocument, populace/users/api.py:_encoded."""
    own, client = people[role]
    same()
    hashed = "argon2$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$" + "A" * 43
    for secret in ({"password": "correct horse battery"}, {"password_hash": hashed}):
        response = client.patch(f"/api/v1/users/{own}", json=secret)
        assert response.status_code == (403 if role == "member" else 400)
    for path in ("/api/v1/users", f"/api/v1/users/{town.victim}/password"):
        response = client.post(
            path, json={"password_hash": hashed} | ({"email": "h@example.com"} if path[-1] == "s" else {})
        )
        assert (response.status_code, response.json()["code"]) == (403, "forbidden")


def test_a30_a_field_that_equals_what_is_stored_may_be_sent_back(town, people):
    """Guard: populace/users/documents.py:check_read_only."""
    _, client = people["manager"]
    stored = client.get(f"/api/v1/users/{town.victim}").json()
    assert client.patch(f"/api/v1/users/{town.victim}", json=stored).status_code == 200
    assert client.patch(f"/api/v1/users/{town.victim}", json=stored | {"is_active": 1}).status_code == 400


@pytest.mark.parametrize("path", ["/api/v1/groups", "/api/v1/tokens"])
def test_a30_groups_and_tokens_are_as_strict(town, same, path):
    """Guard: populace/users/documents.py:StrictDocument."""
    same()
    base = {"name": "strict"} | ({"scopes": ["users:read"]} if path.endswith("tokens") else {})
    for name in ("id", "version", "members", "secret", "digest", "revoked_at", "last_used_at", "is_staff"):
        response = town.http.post(path, json=base | {name: "1"})
        assert response.status_code == 400, name
        assert {fault["pointer"] for fault in response.json()["errors"]} == {f"/{name}"}


def command_line(town):
    for name in SET_BY_VERBS + NOWHERE:
        town.populace("user", "create", "--email", "c@example.com", f"--{name.replace('_', '-')}", "x", expected=2)


def batch(town):
    """As POST /users says it of one person."""
    names = SET_BY_VERBS + NOWHERE
    rows = [{"email": "c@example.com", name: VALUE.get(name, True)} for name in names]
    results = town.http.post("/api/v1/users/batch", json={"users": rows}).json()["results"]
    for name, result in zip(names, results, strict=True):
        told = [(fault["pointer"], fault["code"]) for fault in result["error"]["errors"]]
        assert (result["status"], told) == (
            400,
            [(f"/{name}", "read_only" if name in SET_BY_VERBS else "unknown_field")],
        )


def import_csv(town):
    """What an operator's file may say is in docs/reference/imports.md; every other column refuses the whole file.

    What our exports show besides is left behind: the people have none of it.
    """
    for name in set(SET_BY_VERBS + NOWHERE) - {"is_active", "email_verified", "groups", *SHOWN}:
        path = town.var / f"mass-{name}.csv"
        path.write_text(f"email,{name}\nc@example.com,true\n")
        town.populace("import", str(path), expected=3)


def import_jsonl(town):
    """What an operator's file may say is in docs/reference/imports.md; every other name is a bad row."""
    path = town.var / "mass-shown.jsonl"
    path.write_text(json.dumps({"email": "c@example.com"} | {name: VALUE.get(name, True) for name in SHOWN}))
    assert json.loads(town.populace("import", str(path), "--dry-run", "--json"))["read_only_not_imported"] == 1
    for name in set(SET_BY_VERBS + NOWHERE) - {"is_active", "email_verified", "groups", *SHOWN}:
        path = town.var / f"mass-{name}.jsonl"
        path.write_text(json.dumps({"email": "c@example.com", name: VALUE.get(name, True)}))
        told = json.loads(town.populace("import", str(path), "--json", expected=3).splitlines()[0])
        assert told["code"] == ("read_only" if name in SET_BY_VERBS else "unknown_field")
        assert told["reason"].startswith(f"{name}: ")


def import_keycloak(town):
    """Roles and groups of the file become groups of their own, which permit nothing."""
    user = {
        "username": "keycloaker",
        "realmRoles": ["owner", "admin"],
        "groups": ["/Owners"],
        "clientRoles": {"a": ["b"]},
    }
    _brought_in(town, {"realm": "r", "users": [user]}, "keycloaker", ["/Owners", "role:admin", "role:b", "role:owner"])


def import_kratos(town):
    """Traits named like what verbs set are attributes like any other."""
    traits = {"username": "kratoser", "is_staff": True, "roles": ["owner"], "groups": ["Owners"], "version": 9}
    made = _brought_in(town, {"identities": [{"create": {"traits": traits, "is_staff": True}}]}, "kratoser", [])
    assert made["attributes"] == {name: value for name, value in traits.items() if name != "username"}
    assert made["version"] == 1


def _brought_in(town, content, username, groups):
    """Import one person, who holds no right; then nobody is left of it."""
    path = town.var / "mass.json"
    path.write_text(json.dumps(content))
    assert json.loads(town.populace("import", str(path), "--json").splitlines()[-1])["done"] == 1
    made = town.populace_json("user", "show", username)
    assert sorted(group["name"] for group in made["groups"]) == groups
    held = town.http.get(f"/api/v1/users/{made['id']}/roles").json()
    assert held == {"roles": [], "permissions": []}
    town.http.delete(f"/api/v1/users/{made['id']}").raise_for_status()
    return made


OTHER_DOORS = {
    "REST batch": batch,
    "command line": command_line,
    "import CSV": import_csv,
    "import JSON Lines": import_jsonl,
    "import Keycloak": import_keycloak,
    "import Kratos": import_kratos,
}


@pytest.mark.parametrize("name", OTHER_DOORS)
def test_a30_no_other_door_takes_it(town, name):
    """Guards: the options of populace/cli/people.py:create_user, the columns of populace/bulk/formats."""
    before = town.http.get("/api/v1/users?count=exact").json()["count"]
    OTHER_DOORS[name](town)
    assert town.http.get("/api/v1/users?count=exact").json()["count"] == before


def test_a30_every_door_is_looked_at():
    assert {door.name for door in DOORS} == {"REST create", "PATCH", *OTHER_DOORS}
