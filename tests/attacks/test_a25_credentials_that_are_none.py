"""A25 over HTTP: whatever is not one valid token in one Authorization header opens nothing."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from django.conf import settings

from populace.audit.models import Event
from populace.users.models import User

USERS = "/api/v1/users"


@pytest.fixture
def anonymous(town):
    with httpx.Client(base_url=town.url, timeout=10) as client:
        yield client


def of(town, *options):
    """Make a person and a token of theirs; return both ids and the secret."""
    made = town.populace_json("user", "create", "--external-id", f"x{datetime.now(UTC).timestamp()}", "--quiet")
    token = town.populace_json("token", "create", "--owner", made["id"], "--name", "x", "--scope", "admin")
    return made["id"], token["id"], token["secret"]


def test_a25_what_is_not_a_valid_token_is_401_and_two_headers_are_400(town, anonymous):
    """Guards: populace/credentials/tokens.py:digest_of, populace/api/authentication.py:TokenAuthentication."""
    path, secret = f"{USERS}/{town.administrator_id}", town.token
    assert anonymous.get(path, headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    wrong = [secret[:-1], secret + "0", secret.swapcase(), "tok_" + secret[4:], secret[:10] + "!" + secret[11:], "x"]
    for text in [f"Bearer {one}" for one in wrong] + [f"Basic {secret}", secret, f"Bearer  {secret} x"]:
        response = anonymous.get(path, headers={"Authorization": text})
        assert (response.status_code, response.json()["code"]) == (401, "unauthenticated"), text
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    twice = [("Authorization", f"Bearer {secret}"), ("Authorization", f"Bearer {secret}")]
    response = anonymous.get(path, headers=twice)
    assert (response.status_code, response.json()["code"]) == (400, "malformed")
    for response in (
        anonymous.get(f"{path}?access_token={secret}"),
        anonymous.post(USERS, data={"access_token": secret, "email": "x@example.com"}),
        anonymous.get(path, headers={"Cookie": f"token={secret}; sessionid={secret}; Authorization=Bearer {secret}"}),
    ):
        assert response.status_code == 401
        assert secret not in response.text


def test_a25_expired_revoked_and_orphaned_tokens_are_401(town, anonymous):
    """Guard: populace/api/authentication.py:_VALID."""
    path = f"{USERS}/{town.administrator_id}"

    def status(secret):
        return anonymous.get(path, headers={"Authorization": f"Bearer {secret}"}).status_code

    inactive, _, of_inactive = of(town)
    erased, _, of_erased = of(town)
    end = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    body = {"name": "short", "scopes": ["users:read"], "expires_at": end}
    short = town.http.post("/api/v1/tokens", json=body).json()
    revoked = town.http.post("/api/v1/tokens", json=body | {"expires_at": None}).json()
    assert [status(secret) for secret in (of_inactive, of_erased, revoked["secret"])] == [403, 403, 200]
    assert town.http.post(f"{USERS}/{inactive}/deactivate").status_code == 200
    assert town.http.delete(f"{USERS}/{erased}").status_code == 204
    assert town.http.delete(f"/api/v1/tokens/{revoked['id']}").status_code == 204
    while datetime.now(UTC) <= datetime.fromisoformat(end):
        pass
    for secret in (of_inactive, of_erased, revoked["secret"], short["secret"]):
        assert status(secret) == 401


@pytest.mark.django_db
def test_a25_the_api_reads_no_cookie(client_of, token, make_user):
    """Token of A with the session of B: A alone. Guard: populace/api/authentication.py:TokenAuthentication."""
    a, b = make_user(), make_user()
    with_both, with_a_session = client_of(token("admin", owner=a["id"])), client_of(None)
    for client in (with_both, with_a_session):
        client.force_login(User._base_manager.get(pk=b["id"]), "populace.logins.backends.PasswordBackend")
        assert client.cookies[settings.SESSION_COOKIE_NAME].value
    made = with_both.post(USERS, {"email": "a@example.com"})
    assert made.status_code == 201
    assert str(Event.objects.get(subject_id=made.json()["id"]).actor) == a["id"]
    assert with_a_session.get(f"{USERS}/{b['id']}").status_code == 401
    assert with_a_session.post(USERS, {"email": "b@example.com"}).status_code == 401
