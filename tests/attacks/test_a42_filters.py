"""A42: filters that reach further than they should, say too much at once, or are no filters."""

from urllib.parse import quote

import pytest
from django.db import connection

from populace.users.models import User

pytestmark = pytest.mark.django_db

USERS = "/api/v1/users"

UNKNOWN = [
    "password__startswith=argon2",
    "password=x",
    "groups__users__email=a@b.example",
    "email__regex=.*",
    "email__in=" + ",".join(["a@b.example"] * 50_000),
    "__class__=x",
    "username__class__=x",
    "pk=1",
    "id__gt=0",
    "order=password",
    "order=" + quote("1;select pg_sleep(9)"),
    "order=email,password",
    "order=--email",
    "order=",
    "order=?",
    "fields=*",
    "fields=password",
    "fields=id,password_hash",
    "fields=",
    "is_active__isnull=1",
    "Email=a@b.example",
    "email%00=x",
    "=x",
    "limit%5B%5D=1",
]
TOO_MANY = [
    "&".join(f"f{n}=1" for n in range(500)),
    "&".join("email=a@b.example" for _ in range(500)),
    "q=" + "+".join("abcdefgh"),
    "fields=" + ",".join(["id"] * 50_000),
]
INVALID = [
    "email=a@b.example&email=c@d.example",
    "is_active=True",
    "is_active=1",
    "is_active=",
    "group=x",
    "group=" + quote("' or 1=1 --"),
    "group=" + "0" * 32,
    "joined_after=yesterday",
    "joined_after=2026-01-01T00:00:00",
    "joined_after=0001-01-01",
    "joined_after=9999-12-31T23:59:59-23:59",
    "joined_after=" + "9" * 50_000,
    "last_login_before=2026-02-30",
    "domain=" + quote("a b"),
    "domain=" + "a." * 5000,
    "count=all",
    "q=%00",
    "username=%00",
    "q=" + "a" * 50_000,
]
NOT_INDEXED = ["attributes.x=1", "attributes.x'y=1", "attributes.\"a\"->>'b'=1", "attributes.=1", "attributes.a.b=1"]
MALFORMED = ["q=%ff", "email=%ed%a0%80"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        *((query, "unknown_parameter") for query in UNKNOWN),
        *((query, "too_many") for query in TOO_MANY),
        *((query, "invalid") for query in INVALID),
        *((query, "not_indexed") for query in NOT_INDEXED),
        *((query, "malformed") for query in MALFORMED),
    ],
    ids=lambda value: value[:40],
)
def test_a42_what_is_no_filter_is_refused(client, query, code):
    """Guard: populace/api/paging.py:parameters_of, populace/users/lists.py:listing_of."""
    response = client.get(f"{USERS}?{query}")
    assert (response.status_code, response.json()["code"]) == (400, code)
    assert len(response.content) < 2000


@pytest.mark.parametrize(
    ("name", "nearest"), [("emial", "email"), ("ordr", "order"), ("Limit", "limit"), ("attributes", "attributes.")]
)
def test_a42_the_nearest_parameter_is_named(client, name, nearest):
    """Guard: populace/api/paging.py:unknown."""
    assert client.get(f"{USERS}?{name}=x").json()["detail"].endswith(f"nearest is {nearest}.")


HOSTILE = [
    "' or '1'='1",
    "'; drop table users_user; --",
    '" or 1=1 --',
    "\\'",
    "1) union select password from users_user --",
    "$1",
    "%(digest)s",
    "%s",
    "{0.__class__}",
    "a%27",
    "%",
    "_",
    "*",
    ".*",
]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    "name", ["q", "email", "username", "external_id", "domain", "group", "cursor", "order", "fields"]
)
def test_a42_hostile_text_is_a_value_and_nothing_else(client, make_user, name, value):
    """Guard: populace/infra/db/compiled.py:Param."""
    make_user()
    before = User._base_manager.count()
    response = client.get(f"{USERS}?{name}={quote(value, safe='')}")
    assert response.status_code in (200, 400)
    assert response.status_code == 400 or response.json()["results"] == []
    assert User._base_manager.count() == before


def test_a42_per_cent_and_underscore_are_literal(client, make_user):
    """Guard: populace/infra/db/lookups.py:starts_with, prefix_bounds."""
    odd = make_user(last_name="50%_off")
    make_user(last_name="50xyoff")
    for q, found in (("50%_", [odd["id"]]), ("50%25_", []), ("5_", []), ("%", [])):
        response = client.get(f"{USERS}?q={quote(q)}&fields=id")
        assert [person["id"] for person in response.json()["results"]] == found


@pytest.mark.only_on("postgresql", "SQLite ends no statement")
def test_a42_a_list_is_ended_after_its_time(client):
    """Guard: config/engines.py:TIMEOUTS_MS."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("5s",)
