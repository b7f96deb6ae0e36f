"""Bearer tokens: what opens the API, how far, and until when."""

import json
import string
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from populace.api.authentication import address_of
from populace.audit.models import Event
from populace.audit.permissions import ALL
from populace.credentials.actions import create_token, revoke_token, set_password
from populace.credentials.errors import NAME_MAX, NameTooLong, TokenNotFound, UnknownScope
from populace.credentials.models import ApiToken
from populace.credentials.tokens import SCOPES, digest, digest_of, make_token
from populace.users.actions import erase_user
from populace.users.errors import UserNotFound

pytestmark = pytest.mark.django_db

USERS = "/api/v1/users"


@pytest.fixture
def actor(actor):
    """Somebody who may do everything."""
    return replace(actor, permissions=ALL)


@pytest.fixture
def person(make_user):
    return make_user()


@pytest.fixture
def get(client_of, person):
    """Return `get(secret) -> (status, code)` of a read of one person."""

    def get(secret, **options):
        response = client_of(secret).get(f"{USERS}/{person['id']}", **options)
        return response.status_code, response.json().get("code")

    return get


def test_a_token_is_known_by_its_look_and_its_checksum():
    secret = make_token()
    assert len(secret) == 53
    assert secret.startswith("pop_")
    assert set(secret[4:]) <= set(string.ascii_letters + string.digits)
    assert digest_of(secret) == digest(secret)
    assert secret != make_token()


def malformed(secret):
    other = "a" if secret[20] != "a" else "b"
    return [
        "",
        "x",
        secret[:-1],
        secret + "x",
        secret.swapcase(),
        "POP_" + secret[4:],
        "tok_" + secret[4:],
        secret[:20] + other + secret[21:],
        secret[:20] + "é" + secret[21:],
        secret[:20] + " " + secret[21:],
        "pop_" + "0" * 49,
    ]


def test_a25_a_malformed_token_costs_no_query(get, token):
    """Guard: populace/credentials/tokens.py:digest_of."""
    secret = token("users:read")
    for wrong in malformed(secret):
        with CaptureQueriesContext(connection) as queries:
            assert get(wrong) == (401, "unauthenticated")
        assert len(queries) == 0
    assert get(secret) == (200, None)


def test_a25_no_unknown_expired_revoked_or_orphaned_token_opens(get, token, make_user, actor, client):
    """Guard: populace/api/authentication.py:_VALID."""
    soon = timezone.now() + timedelta(seconds=60)
    assert get(token("users:read", expires_at=soon)) == (200, None)
    expired = token("users:read")
    ApiToken._base_manager.filter(digest=digest(expired)).update(expires_at=timezone.now() - timedelta(seconds=1))
    owner = make_user()
    inactive, erased = token("users:read", owner=owner["id"]), token("users:read", owner=(gone := make_user())["id"])
    client.post(f"{USERS}/{owner['id']}/deactivate")
    erase_user(UUID(gone["id"]), by=actor)
    for wrong in (make_token(), expired, inactive, erased):
        assert get(wrong) == (401, "unauthenticated")
    client.post(f"{USERS}/{owner['id']}/activate")
    assert get(inactive) == (200, None)


def test_a25_two_headers_are_refused(get, token):
    """Guard: populace/api/authentication.py:TokenAuthentication.authenticate; granian joins them with a comma."""
    secret = token("users:read")
    assert get(None, headers={"Authorization": f"Bearer {secret},Bearer {secret}"}) == (400, "malformed")


@pytest.mark.parametrize("scheme", ["", "Basic ", "Token ", "Bearer", "Bearer: "])
def test_a25_another_scheme_is_no_token(get, token, scheme):
    """Guard: populace/api/authentication.py:TokenAuthentication.authenticate."""
    assert get(None, headers={"Authorization": scheme + token()}) == (401, "unauthenticated")


def test_the_schemes_case_does_not_matter(get, token):
    assert get(None, headers={"Authorization": f"bEARER {token('users:read')}"}) == (200, None)


def test_a25_tokens_in_query_form_or_cookie_are_not_seen(client_of, token, person):
    """Guard: populace/api/authentication.py:TokenAuthentication."""
    secret, anonymous = token(), client_of(None)
    anonymous.cookies["token"] = anonymous.cookies["sessionid"] = secret
    for response in (
        anonymous.get(f"{USERS}/{person['id']}?access_token={secret}&token={secret}"),
        anonymous.post(USERS, f"access_token={secret}", content_type="application/x-www-form-urlencoded"),
    ):
        assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")
        assert response["WWW-Authenticate"] == 'Bearer realm="populace"'


def test_a_read_is_one_statement_and_an_unknown_person_too(client_of, token, person):
    reader = client_of(token("users:read"))
    with CaptureQueriesContext(connection) as queries:
        assert reader.get(f"{USERS}/{person['id']}").status_code == 200
    assert len(queries) == 2  # once a second and person: what the caller's roles permit
    for id, status in ((person["id"], 200), (uuid4(), 404), ("x", 404)):
        with CaptureQueriesContext(connection) as queries:
            assert reader.get(f"{USERS}/{id}").status_code == status
        assert len(queries) == 1


@pytest.mark.parametrize("scope", [scope for scope in SCOPES if scope != "admin"])
def test_a27_a_token_does_what_its_scope_says_and_nothing_else(client_of, token, person, scope):
    """Guard: populace/api/authentication.py:HasScope."""
    caller = client_of(token(scope))
    path = f"{USERS}/{person['id']}"
    reads = [caller.get(path), caller.head(path)]
    writes = [
        caller.post(USERS, {"email": f"{uuid4()}@example.com"}),
        caller.patch(path, {"first_name": "Ann"}),
        caller.post(f"{path}/password", {"password": "correct horse battery"}),
        caller.post(f"{path}/activate"),
        caller.delete(path),
    ]
    assert {response.status_code < 300 for response in reads} == {scope == "users:read"}
    assert {response.status_code < 300 for response in writes} == {scope == "users:write"}
    refused = [response for response in [*reads, *writes] if response.status_code >= 300]
    assert {response.status_code for response in refused} == {403}
    assert {response.json()["code"] for response in refused if response.content} == {"scope"}


def test_a27_who_may_not_read_learns_not_who_exists(client_of, token, person):
    """Guard: populace/api/views.py:LeanView.initial checks before the document is looked at."""
    caller = client_of(token("users:write"))
    answers = [caller.get(f"{USERS}/{id}") for id in (person["id"], uuid4(), "x")]
    assert {(answer.status_code, answer.json()["detail"]) for answer in answers} == {
        (403, "This call needs a token with scope users:read.")
    }


def test_a28_a_revoked_token_is_refused_from_the_next_request_on(get, token, actor):
    """Guard: populace/credentials/actions.py:revoke_token, and nothing that keeps a principal."""
    secret = token("users:read")
    stored = ApiToken.objects.get(digest=digest(secret))
    assert get(secret) == (200, None)
    revoke_token(stored.id, by=actor)
    assert get(secret) == (401, "unauthenticated")
    revoke_token(stored.id, by=actor)
    told = Event.objects.filter(subject_id=stored.user_id, action__startswith="token.").order_by("at")
    assert [event.action for event in told] == ["token.created", "token.revoked"]
    with pytest.raises(TokenNotFound):
        revoke_token(uuid4(), by=actor)


def test_a26_only_the_hash_is_stored_and_told(get, token, actor, person, capfd):
    """Guard: populace/credentials/actions.py:create_token."""
    stored, secret = create_token(owner_id=UUID(person["id"]), name="ci", scopes=["users:read"] * 2, by=actor)
    get(secret)
    row = ApiToken.objects.values().get(id=stored.id)
    event = Event.objects.get(subject_id=person["id"], action="token.created")
    text = json.dumps([row, event.details], default=str) + "".join(capfd.readouterr())
    assert secret not in text
    assert secret[4:20] not in text
    assert event.details["changes"]["token"]["new"] == {"id": str(stored.id), "name": "ci", "scopes": ["users:read"]}


@pytest.mark.parametrize("scopes", [[], ["user:read"], ["users:read", "root"], [""], ["*"]])
def test_a_token_has_scopes_that_exist(actor, person, scopes):
    with pytest.raises(UnknownScope):
        create_token(owner_id=UUID(person["id"]), name="x", scopes=scopes, by=actor)
    with pytest.raises(UserNotFound):
        create_token(owner_id=uuid4(), name="x", scopes=["admin"], by=actor)


@pytest.mark.parametrize("name", ["x" * (NAME_MAX + 1), "a\nb", "\0", "\udcff"])
def test_a_tokens_name_is_one_short_line_of_text(actor, person, name):
    """populace/credentials/actions.py:create_token"""
    with pytest.raises(NameTooLong):
        create_token(owner_id=UUID(person["id"]), name=name, scopes=["admin"], by=actor)
    assert create_token(owner_id=UUID(person["id"]), name="x" * NAME_MAX, scopes=["admin"], by=actor)


def test_a_person_nobody_is_gets_no_password(actor):
    with pytest.raises(UserNotFound):
        set_password(uuid4(), password_hash="!", by=actor)


@pytest.mark.parametrize(
    ("trusted", "forwarded", "address"),
    [
        (0, "1.1.1.1", "9.9.9.9"),
        (1, "1.1.1.1", "1.1.1.1"),
        (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        (2, "6.6.6.6, 1.1.1.1, 2.2.2.2", "1.1.1.1"),
        (2, "1.1.1.1", "9.9.9.9"),
        (1, "", "9.9.9.9"),
        (1, "<script>", "9.9.9.9"),
        (1, "2001:DB8::1", "2001:db8::1"),
    ],
)
def test_only_our_own_proxies_are_believed_about_the_address(rf, settings, trusted, forwarded, address):
    settings.TRUSTED_PROXY_COUNT = trusted
    assert address_of(rf.get("/", REMOTE_ADDR="9.9.9.9", HTTP_X_FORWARDED_FOR=forwarded)) == address
