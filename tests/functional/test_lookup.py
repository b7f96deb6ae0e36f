"""POST /api/v1/users/lookup: many people by their identifiers."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

pytestmark = pytest.mark.django_db

LOOKUP = "/api/v1/users/lookup"


def test_each_identifier_is_answered_in_its_place(client, make_user):
    ann = make_user(username="Ann", email="ann@example.com", phone="+43 1 234567", external_id="bob")
    bob = make_user(username="bob", email="bob@example.com")
    asked = {
        "ANN": ann,
        "Ann@EXAMPLE.com": ann,
        "+431234567": ann,
        ann["id"].upper(): ann,
        "bob": bob,  # a user name before an external id
        "nobody": None,
        "not an identifier\u202e": None,
        str(uuid4()): None,
        "": None,
    }
    kinds = [
        ({"external_id": "bob"}, ann),
        ({"username": "bob"}, bob),
        ({"id": bob["id"]}, bob),
        ({"phone": "x"}, None),
    ]
    expected = [*asked.items(), *kinds, ("ANN", ann)]
    response = client.post(LOOKUP, {"identifiers": [identifier for identifier, _ in expected]})
    assert response.status_code == 200
    assert response.json() == {"results": [{"identifier": name, "user": user} for name, user in expected]}


def test_many_are_two_statements(client, make_user):
    names = [make_user()["username"] for _ in range(30)] + [f"nobody{n}" for n in range(70)]
    client.post(LOOKUP, {"identifiers": names})
    with CaptureQueriesContext(connection) as seen:
        results = client.post(LOOKUP, {"identifiers": names}).json()["results"]
    assert len(seen) == 3  # the token's, the identifiers', the people's
    assert [bool(result["user"]) for result in results] == [True] * 30 + [False] * 70
    assert client.post(LOOKUP, {"identifiers": []}).json() == {"results": []}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid"),
        ({"identifiers": "ann"}, "invalid"),
        ({"identifiers": [1]}, "invalid"),
        ({"identifiers": [None]}, "invalid"),
        ({"identifiers": [{}]}, "invalid"),
        ({"identifiers": [{"email": "a@b.example", "id": "x"}]}, "invalid"),
        ({"identifiers": [{"password": "x"}]}, "invalid"),
        ({"identifiers": [{"email": 1}]}, "invalid"),
        ({"identifiers": ["a"] * 101}, "too_many"),
        ({"identifiers": [], "more": 1}, "invalid"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_another_body_is_refused(client, body, code):
    response = client.post(LOOKUP, body)
    assert (response.status_code, response.json()["code"]) == (400, code)


def test_it_needs_the_right_to_read_people(client_of, token):
    assert client_of(token("groups:read")).post(LOOKUP, {"identifiers": ["a"]}).status_code == 403
    assert client_of(token("users:read")).post(LOOKUP, {"identifiers": ["a"]}).status_code == 200
