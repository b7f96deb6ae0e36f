"""A46: text that other programs have stumbled over comes back byte for byte, or is refused."""

import json

import pytest

from tests.support.processes import ROOT

USERS, GROUPS, TOKENS = "/api/v1/users", "/api/v1/groups", "/api/v1/tokens"
NAUGHTY = json.loads((ROOT / "tests/data/naughty-strings.json").read_text())
FIELDS = ["username", "email", "external_id", "first_name", "last_name", "locale", "timezone"]


@pytest.mark.parametrize("field", [*FIELDS, "phone"])
def test_a46_a_field_of_a_person_comes_back_as_it_was_sent_or_not_at_all(town, field):
    """Guard: populace/users/documents.py:TextField.to_internal_value. A phone number loses its marks (E.164)."""
    person = f"{USERS}/{town.victim}"
    taken = 0
    for text in NAUGHTY:
        answer = town.http.patch(person, json={field: text})
        if answer.status_code == 200:
            taken += 1
            assert answer.json()[field] == town.http.get(person).json()[field] == text
        else:
            assert answer.status_code == 400, (text, answer.text)
            assert answer.json()["code"] in ("invalid", "malformed")
    assert taken >= 1
    town.http.patch(person, json={field: ""})


def test_a46_attributes_come_back_as_they_were_sent_or_not_at_all(town):
    """As names, values, and deep inside. Guard: populace/api/parsers.py:_is_storable."""
    person = f"{USERS}/{town.victim}"
    for text in NAUGHTY:
        attributes = {"value": text, text: 1, "deep": [{text: [text]}]}
        answer = town.http.patch(person, json={"attributes": attributes})
        assert answer.status_code == 200, (text, answer.text)
        assert answer.json()["attributes"] == town.http.get(person).json()["attributes"] == attributes
        assert town.http.patch(person, json={"attributes": None}).json()["attributes"] == {}


@pytest.mark.parametrize("field", ["name", "description"])
def test_a46_a_field_of_a_group_comes_back_as_it_was_sent_or_not_at_all(town, field):
    """Guard: populace/groups/documents.py:GroupDocument."""
    group = town.http.post(GROUPS, json={"name": f"naughty {field}"}).headers["Location"]
    for text in NAUGHTY:
        answer = town.http.patch(group, json={field: text})
        if answer.status_code == 200:
            assert answer.json()[field] == town.http.get(group).json()[field] == text
        else:
            assert answer.status_code == 400, (text, answer.text)


def test_a46_the_name_of_a_token_comes_back_as_it_was_sent_or_not_at_all(town):
    """Guard: populace/credentials/actions.py:create_token."""
    for text in NAUGHTY:
        answer = town.http.post(TOKENS, json={"name": text, "scopes": ["users:read"]})
        if answer.status_code == 201:
            assert answer.json()["name"] == town.http.get(answer.headers["Location"]).json()["name"] == text
            town.http.delete(answer.headers["Location"])
        else:
            assert answer.status_code == 400, (text, answer.text)


def test_a46_what_is_looked_for_is_found_or_refused(town):
    """Guard: populace/api/paging.py:asked_of, populace/users/filters.py, users/lookup.py."""
    for text in NAUGHTY:
        for name in ("q", "external_id", "email", "username", "domain"):
            answer = town.http.get(USERS, params={name: text})
            assert answer.status_code in (200, 400), (name, text)
        answer = town.http.post(f"{USERS}/lookup", json={"identifiers": [text]})
        assert answer.status_code in (200, 400), text
        if answer.status_code == 200:
            assert answer.json()["results"][0]["identifier"] == text
