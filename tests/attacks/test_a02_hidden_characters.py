"""A02: no user name holds what hides, maps away, mixes directions or has no end."""

import json
from pathlib import Path

import pytest

from populace.users.errors import Invalid
from populace.users.identifiers import username_normal
from tests.support.doors import USERS, answered, rest_create

HIDDEN = {
    "zero width space": "a\u200bb",
    "soft hyphen": "a\u00adb",
    "right-to-left override": "a\u202eb",
    "grapheme joiner": "a\u034fb",
    "variation selector": "a\ufe0fb",
    "NUL": "a\0b",
    "space": "a b",
    "long s": "\u017fam",
    "ligature": "\ufb01n",
    "one dot leader": "a\u2024b",
    "Arabic with Latin": "ab\u0627",
    "65 letters": "x" * 65,
}
JSON = {"Content-Type": "application/json"}
VECTORS = json.loads((Path(__file__).parent.parent / "data/precis-usernames.json").read_text())["vectors"]


def test_a02_what_hides_is_refused_at_every_door(town, door, same):
    """Guard: populace/users/identifiers.py:_prepared (RFC 8265) and username_normal (the length)."""
    same()
    names = [name for name in HIDDEN.values() if door.carries(name)]
    assert len(names) >= len(HIDDEN) - 1
    outcomes = door.enter(town, [{"username": name} for name in names])
    for name, outcome in zip(names, outcomes, strict=True):
        if "\0" in name and outcome.status:
            assert outcome.code == "malformed"  # strict JSON has no NUL at all
        else:
            assert outcome[:2] == ("max_length" if len(name) > 64 else "invalid", "username")
    assert {outcome.status for outcome in outcomes} <= {0, 400}


def test_a02_an_empty_user_name_is_none(town, same):
    """Guard: populace/users/actions.py:_claims."""
    same()
    assert rest_create(town, [{"username": ""}])[0].code == "no_identifier"


def test_a02_ten_mebibytes_are_not_read(town, same):
    """Guard: populace/api/parsers.py:body_of, alone where no length is told; where one is,
    config/settings.py:DATA_UPLOAD_MAX_MEMORY_SIZE stands behind it.
    """
    same()
    body = b'{"username": "' + b"x" * (10 << 20) + b'"}'
    for content in (body, iter([body])):  # with its length, and chunked
        response = town.http.post(USERS, content=content, headers=JSON)
        assert answered(response) == ("too_large", "", 413)


def test_a02_lengths_are_checked_before_mapping_at_every_door(town, door, same):
    """Guard: populace/users/identifiers.py:username_normal, email_normal; populace/users/documents.py:TextField."""
    same()
    names = [{"username": "\ufdfa" * 65}, {"username": "ok", "first_name": "x" * 201}]
    outcomes = door.enter(town, [{"email": "x@" + "ä" * 250 + ".org"}, *names])
    assert [(outcome.code, outcome.field) for outcome in outcomes] == [
        ("max_length", "email"),
        ("max_length", "username"),
        ("max_length", "first_name"),
    ]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["note"])
def test_a02_the_golden_vectors_agree_both_ways(vector):
    """Guard: populace/users/identifiers.py:_prepared."""
    if vector["normal"] is None:
        with pytest.raises(Invalid):
            username_normal(vector["typed"])
    else:
        assert username_normal(vector["typed"]) == vector["normal"]
