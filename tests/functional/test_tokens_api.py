"""/api/v1/tokens over HTTP."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from populace.audit.models import Event
from populace.credentials import usage
from populace.credentials.models import ApiToken
from populace.credentials.tokens import digest

pytestmark = pytest.mark.django_db

TOKENS = "/api/v1/tokens"


def codes(response):
    return {(fault["pointer"], fault["code"]) for fault in response.json()["errors"]}


def test_a_token_is_made_shown_once_listed_and_ended(client, client_of):
    response = client.post(TOKENS, {"name": "ci", "scopes": ["users:read", "users:write"]})
    made = response.json()
    secret = made.pop("secret")
    assert (response.status_code, response["Location"]) == (201, f"{TOKENS}/{made['id']}")
    me = ApiToken.objects.get(digest=digest(secret)).user_id
    assert made == {
        "id": made["id"],
        "name": "ci",
        "scopes": ["users:read", "users:write"],
        "owner": str(me),
        "created_at": made["created_at"],
        "expires_at": None,
        "last_used_at": None,
    }
    path = response["Location"]
    assert client.get(path).json() == made
    assert made in client.get(TOKENS).json()["results"]
    assert client_of(secret).get(f"/api/v1/users/{me}").status_code == 200
    assert client.delete(path).status_code == 204
    assert client_of(secret).get(f"/api/v1/users/{me}").status_code == 401
    assert client.get(path).status_code == 404
    assert made["id"] not in [token["id"] for token in client.get(TOKENS).json()["results"]]
    assert client.delete(path).status_code == 204
    assert client.delete(f"{TOKENS}/{uuid4()}").status_code == 404


@pytest.mark.parametrize(
    ("values", "faults"),
    [
        ({}, {("/name", "required")}),
        ({"scopes": []}, {("/scopes", "min_length")}),
        ({"scopes": ["root"]}, {("/scopes/0", "invalid_choice")}),
        ({"name": "x", "owner": "x"}, {("/owner", "invalid")}),
        ({"name": "x", "expires_at": "tomorrow"}, {("/expires_at", "invalid")}),
        ({"name": "x", "expires_at": "2020-01-01T00:00:00Z"}, {("/expires_at", "past")}),
        ({"name": "x", "expires_at": "0001-01-01T00:00:00Z"}, {("/expires_at", "past")}),
        ({"name": "x", "owner": str(uuid4())}, {("/owner", "not_found")}),
        ({"name": "x", "secret": "pop_"}, {("/secret", "unknown_field")}),
        ({"name": "x", "id": str(uuid4())}, {("/id", "read_only")}),
    ],
)
def test_what_a_token_cannot_be_is_told_by_its_place(client, values, faults):
    response = client.post(TOKENS, {"scopes": ["users:read"]} | values)
    assert (response.status_code, codes(response)) == (400, faults)


@pytest.mark.parametrize("end", ["9999-12-31T23:59:59.999999Z", "9999-12-31T00:00:00Z", None])
def test_the_last_day_of_the_calendar_is_no_end(client, client_of, token, end):
    """Guard: populace/credentials/actions.py:create_token; only what really has no end makes one without."""
    body = {"name": "x", "scopes": ["users:read"], "expires_at": end}
    response = client.post(TOKENS, body)
    assert (response.status_code, response.json()["expires_at"]) == (201, None)
    if end:
        ending = client_of(token("admin", expires_at=timezone.now() + timedelta(days=1)))
        assert ending.post(TOKENS, body).status_code == 403


def test_tokens_are_listed_by_owner_and_paged(client, make_user, token):
    owner = make_user()["id"]
    for _ in range(3):
        token("users:read", owner=owner)
    page = client.get(f"{TOKENS}?owner={owner}&limit=2").json()
    rest = client.get(page["next"]).json()
    assert [len(page["results"]), len(rest["results"]), rest["next"]] == [2, 1, None]
    assert {one["owner"] for one in page["results"] + rest["results"]} == {owner}
    assert client.get(rest["previous"]).json()["results"] == page["results"]
    assert codes(client.get(f"{TOKENS}?owner=x")) == {("/owner", "invalid")}


def test_a_rotated_token_works_on_for_the_overlap(client, client_of):
    end = timezone.now() + timedelta(days=9)
    old = client.post(TOKENS, {"name": "ci", "scopes": ["users:read"], "expires_at": end.isoformat()}).json()
    response = client.post(f"{TOKENS}/{old['id']}/rotate")
    new = response.json()
    assert (response.status_code, response["Location"]) == (201, f"{TOKENS}/{new['id']}")
    assert {name: new[name] for name in ("name", "scopes", "owner", "expires_at")} == {
        name: old[name] for name in ("name", "scopes", "owner", "expires_at")
    }
    left = ApiToken.objects.get(id=old["id"]).expires_at - timezone.now()
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)
    for secret in (old["secret"], new["secret"]):
        assert client_of(secret).get(f"/api/v1/users/{old['owner']}").status_code == 200
    assert client.post(f"{TOKENS}/{new['id']}/rotate", {"overlap": 0}).status_code == 201
    assert client_of(new["secret"]).get(f"/api/v1/users/{old['owner']}").status_code == 401
    assert client.post(f"{TOKENS}/{new['id']}/rotate").status_code == 404
    assert codes(client.post(f"{TOKENS}/{old['id']}/rotate", {"overlap": -1})) == {("/overlap", "min_value")}
    event = Event.objects.filter(subject_id=old["owner"], action="token.rotated").earliest("at")
    assert (event.details["changes"]["token"]["old"]["id"], event.details["changes"]["token"]["new"]["id"]) == (
        old["id"],
        new["id"],
    )


def test_a_token_rotates_itself(client, client_of):
    old = client.post(TOKENS, {"name": "ci", "scopes": ["tokens:write"]}).json()
    new = client_of(old["secret"]).post(f"{TOKENS}/{old['id']}/rotate").json()
    assert client_of(new["secret"]).post(f"{TOKENS}/{new['id']}/rotate").status_code == 201


@pytest.fixture
def used():
    usage.USED.clear()
    yield usage.USED
    usage.USED.clear()


def test_a26_the_last_use_is_written_at_most_once_a_minute_and_never_by_a_read(client_of, token, make_user, used):
    """Guard: populace/credentials/usage.py:flush."""
    secret, path = token("users:read"), f"/api/v1/users/{make_user()['id']}"
    stored = ApiToken.objects.filter(digest=digest(secret))
    for _ in range(5):
        assert client_of(secret).get(path).status_code == 200
    assert client_of(secret[:-1]).get(path).status_code == 401
    before = stored.get()
    assert (before.last_used_at.year, len(used)) == (1000, 1)
    assert (usage.flush(), usage.flush()) == (1, 0)
    first = stored.get().last_used_at
    assert timezone.now() - first < timedelta(seconds=30)
    client_of(secret).get(path)
    assert usage.flush() == 0  # a minute has not passed
    assert stored.get().last_used_at == first
    ApiToken._base_manager.filter(digest=digest(secret)).update(last_used_at=first - timedelta(seconds=61))
    client_of(secret).get(path)
    assert usage.flush() == 1
    assert stored.get().version == before.version


def test_the_last_use_is_never_after_the_tokens_end(client_of, token, make_user, used):
    secret, ended = token("users:read"), timezone.now() - timedelta(seconds=20)
    client_of(secret).get(f"/api/v1/users/{make_user()['id']}")
    stored = ApiToken._base_manager.filter(digest=digest(secret))
    stored.update(expires_at=ended)
    assert usage.flush() == 1
    assert stored.get().last_used_at == ended


@pytest.mark.parametrize("name", ["a\u00a0b", "東京\u3000大阪", "می\u200cخواهم"])
def test_a_tokens_name_may_hold_what_python_does_not_call_printable(client, name):
    """populace/credentials/actions.py:_check_name"""
    response = client.post(TOKENS, {"name": name, "scopes": ["users:read"]})
    assert (response.status_code, response.json()["name"]) == (201, name)
