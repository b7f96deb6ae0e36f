"""A43: cursors that are altered, carried elsewhere, or made by somebody else."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from populace.api import paging

pytestmark = pytest.mark.django_db

USERS = "/api/v1/users"


@pytest.fixture
def people(make_user):
    return [make_user(last_name=f"Name{n % 3}") for n in range(8)]


def cursor_of(client, **parameters):
    following = client.get(f"{USERS}?{urlencode(parameters | {'limit': 2})}").json()["next"]
    return parse_qs(urlsplit(following).query)["cursor"][0]


def refused(response):
    body = response.json()
    return response.status_code == 400 and body["code"] == "invalid_cursor" and "results" not in body


def test_a43_every_flipped_bit_is_noticed(client, people):
    """Guard: populace/api/paging.py:opened."""
    cursor = cursor_of(client)
    assert client.get(f"{USERS}?limit=2&cursor={cursor}").status_code == 200
    for at, letter in enumerate(cursor):
        other = "B" if letter == "A" else chr(ord(letter) ^ 1) if (chr(ord(letter) ^ 1)).isalnum() else "A"
        assert refused(client.get(f"{USERS}?limit=2&cursor={cursor[:at]}{other}{cursor[at + 1 :]}")), at


def test_a43_a_cursor_has_one_spelling(client, people):
    """Guard: populace/api/paging.py:opened, which compares what it decoded with what was sent."""
    cursor = cursor_of(client)
    for other in (
        cursor + "=",
        cursor + "%3D%3D",
        cursor + "%0A",
        cursor[:9] + "!" + cursor[9:],
        " " + cursor,
        cursor[:-1],
    ):
        assert refused(client.get(f"{USERS}?limit=2&cursor={other}"))


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"order": "date_joined"},
        {"order": "-last_name"},
        {"is_active": "true"},
        {"domain": "example.com"},
        {"q": "name"},
        {"joined_after": "2020-01-01"},
    ],
    ids=str,
)
def test_a43_it_is_good_for_its_own_list_alone(client, people, elsewhere):
    """Guard: populace/api/paging.py:Asked.binding."""
    here, there = cursor_of(client), cursor_of(client, **elsewhere)
    assert refused(client.get(f"{USERS}?{urlencode(elsewhere | {'cursor': here})}"))
    assert refused(client.get(f"{USERS}?{urlencode({'cursor': there})}"))
    assert client.get(f"{USERS}?{urlencode(elsewhere | {'cursor': there})}").status_code == 200


def test_a43_what_does_not_choose_rows_may_change_on_the_way(client, people):
    """Guard: none, this is what it lets through (populace/api/paging.py:FREE)."""
    parameters = {"cursor": cursor_of(client), "limit": "200", "fields": "id", "count": "exact"}
    assert client.get(f"{USERS}?{urlencode(parameters)}").status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/groups", "/api/v1/tokens"])
def test_a43_another_endpoint_takes_none_of_it(client, people, path):
    """Guard: populace/api/paging.py:Asked.binding."""
    assert refused(client.get(f"{path}?cursor={cursor_of(client)}"))


def test_a43_another_caller_takes_none_of_it(client, client_of, token, people):
    """Guard: populace/api/paging.py:Asked.check_holder."""
    other = client_of(token("admin"))
    cursor = cursor_of(client)
    assert refused(other.get(f"{USERS}?limit=2&cursor={cursor}"))
    assert other.get(f"{USERS}?limit=2&cursor={cursor_of(other)}").status_code == 200


def test_a43_a_key_that_has_ended_signs_nothing(client, people, settings):
    """Guard: populace/api/paging.py:opened, which asks SECRET_KEY and SECRET_KEY_FALLBACKS alone."""
    cursor, old = cursor_of(client), settings.SECRET_KEY
    settings.SECRET_KEY = "another" * 10
    assert refused(client.get(f"{USERS}?limit=2&cursor={cursor}"))
    settings.SECRET_KEY_FALLBACKS = [old]
    assert client.get(f"{USERS}?limit=2&cursor={cursor}").status_code == 200


def forged(cursor, body):
    """Return a cursor that holds `body`, under the signature of another one."""
    raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    return urlsafe_b64encode(raw[: paging.SIGNATURE] + body).rstrip(b"=").decode()


def test_a43_a_forged_body_is_not_read(client, people, monkeypatch):
    """Guard: populace/api/paging.py:opened, which reads nothing before the signature is proved."""
    cursor = cursor_of(client)
    holder = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[paging.SIGNATURE :].decode().split("\0")[1]
    monkeypatch.setattr(paging, "Cursor", None)
    for key in (["2999-01-01T00:00:00Z", holder], ["' or 1=1 --", holder], [], ["1"] * 50):
        for body in ("\0".join(["", holder, *key]).encode(), b"", b"\0", b"\0" * 500, b"\xff"):
            assert refused_by_code(client.get(f"{USERS}?limit=2&cursor={forged(cursor, body)}"))
    monkeypatch.undo()
    for secret in ("insecure-example-key", "only-for-tests-"):
        made = paging.Cursor(holder, ("2999-01-01T00:00:00Z", holder), False)
        monkeypatch.setattr(paging.settings, "SECRET_KEY", secret)
        example = paging.signed(made, json.dumps([USERS, []]).encode())
        monkeypatch.undo()
        assert refused(client.get(f"{USERS}?limit=2&cursor={example}"))


def refused_by_code(response):
    return (
        response.status_code == 400 and b'"invalid_cursor"' in response.content and b'"results"' not in response.content
    )


@pytest.mark.parametrize("text", ["", "x", "%F0%9F%99%82", "..%2F..", "null", "-" * 43])
def test_a43_what_is_no_cursor_is_refused(client, people, text):
    """Guard: populace/api/paging.py:opened."""
    assert refused(client.get(f"{USERS}?cursor={text}"))


@pytest.mark.parametrize("length", [paging.CURSOR_MAX + 1, 1 << 20])
def test_a43_a_long_one_is_refused_before_it_is_decoded(client, people, monkeypatch, length):
    """Guard: populace/api/paging.py:CURSOR_MAX."""
    monkeypatch.setattr(paging, "urlsafe_b64decode", None)
    assert refused(client.get(f"{USERS}?cursor={'A' * length}"))


def test_a43_the_longest_place_fits_a_cursor(client, make_user):
    """Guard: populace/api/paging.py:CURSOR_MAX is none to the people we store."""
    for _ in range(3):
        make_user(last_name="𠀀" * 200)
    assert cursor_of(client, order="-last_name")
    following = client.get(f"{USERS}?order=-last_name&limit=1").json()["next"]
    assert client.get(following).status_code == 200


def test_a43_values_in_it_are_bound_never_built_into_sql(client, make_user):
    """Guard: populace/infra/db/compiled.py:Param."""
    for n in range(4):
        make_user(last_name=f"'; drop table users_user; -- {n}")
    path, seen = f"{USERS}?order=last_name&limit=1", []
    while path:
        page = client.get(path).json()
        seen += [person["last_name"] for person in page["results"]]
        path = page["next"]
    assert sum(name.startswith("';") for name in seen) == 4
