"""The short way that plain values take into the directory ends where the long one does."""

import itertools
import string

import pytest

from populace.users.documents import new_values
from populace.users.errors import Invalid
from populace.users.identifiers import claims
from populace.users.incoming import COLUMNS, plain
from populace.users.lookalikes import skeleton
from populace.users.rows import draft

VALUES = {
    "username": [
        "ann",
        "Ann.Lee-2_x",
        "me",
        "API",
        "a@b",
        "x" * 31,
        "x" * 32,
        "1ann",
        "ａnn",
        "аnn",
        "",
        None,
        5,
        "a b",
    ],
    "email": [
        *("ann@example.org", "Ann.Lee+x@EXAMPLE.org", "ann@münchen.example", "a..b@example.org", "ann@localhost"),
        *(
            "=?x@example.org",
            '"a"@example.org',
            "ann@[127.0.0.1]",
            "x" * 65 + "@example.org",
            "ann@-a.org",
            "",
            None,
            [],
        ),
        *("ann@" + "a" * 63 + ".org", "ann@" + "a" * 64 + ".org", "ann@exa mple.org", "ann@example.org."),
    ],
    "external_id": ["hr-7", "a\\b", " ", "x" * 255, "x" * 256, "id\n", "Ä", "", None, 7],
    "phone": ["+43123456789", "+43 1 234-5678", "0123456789", "+0123456789", "+" + "1" * 40, None],
    "first_name": ["Ann", "Łukasz", "ﬀ", "ÄÖ", "a\tb", "x" * 200, "x" * 201, "\ud800", "", None, True],
    "last_name": ["O'Neill", "عبد‌الله", "Lee\\"],
    "locale": ["de", "pt-BR", "d", "x" * 36, ""],
    "timezone": ["Europe/Vienna", "Mars/Base", "x" * 65],
    "kind": ["person", "service", "robot", ""],
    "attributes": [
        *({}, {"team": "red"}, {"t": "ä\\"}, {"t": ""}, {"t": None}, {"t": 1.0}, {"t": {"u": "v"}}, {"t": "\0"}),
        *({"t": "\ud800"}, {"t": "x" * 20_000}, [], None, "x", {"t": True}),
    ],
    "shoe": ["44"],
}


def long_way(given):
    """Return (values, columns, keys) as the serializer and the model make them; None where they refuse."""
    try:
        values = new_values(given)
        columns = {name: value for name, value in values.items() if name != "kind"}
        columns["attributes"] = columns.get("attributes") or {}
        user = draft(columns, kind=values.get("kind", "person"))
    except Invalid:
        return None
    keys = {claim.key.partition(":")[0]: claim.key for claim in claims(user)}
    return dict(values), {name: getattr(user, name) for name in COLUMNS}, keys


@pytest.mark.parametrize("name", VALUES)
def test_whatever_takes_it_becomes_what_the_long_way_makes(name):
    """populace/users/incoming.py:plain"""
    taken = 0
    for value, beside in itertools.product(VALUES[name], [{}, {"username": "bob"}, {"email": "b@example.org"}]):
        given = beside | {name: value}
        if (short := plain(given)) is None:
            continue
        taken += 1
        values, columns, keys = long_way(given)
        assert short.values == values
        assert short.columns.items() <= columns.items()
        assert short.keys == keys
    assert taken or name == "shoe"


def test_nobody_takes_it_whom_the_long_way_refuses():
    refused = [
        {name: value} | beside
        for name, values in VALUES.items()
        for value in values
        for beside in ({}, {"username": "bob"})
        if long_way({name: value} | beside) is None
    ]
    assert len(refused) > 60
    assert [given for given in refused if plain(given) is not None] == []


def test_the_letters_of_plain_user_names_look_like_themselves():
    letters = string.ascii_lowercase + string.digits + "._-"
    assert skeleton(letters) == letters
