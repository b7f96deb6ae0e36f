"""GET /api/v1/users?q=: whom it finds, in which order, and that it stops."""

from functools import partial

import pytest

from populace.users.models import User
from populace.users.search_parts import search
from tests.functional.test_lists import VALUES, flat, ids, url, walk

pytestmark = pytest.mark.django_db


@pytest.fixture
def town(make_user):
    """People by short names; what each has is below."""
    rows = {
        "a": {"username": "anna", "email": "anna@example.com", "last_name": "Annan", "first_name": "Anna"},
        "b": {"username": "bob", "email": "bob@annex.example", "last_name": "Ann"},
        "c": {"username": "carl", "email": "ann.c@example.com"},
        "d": {"username": "dora", "email": "dora@example.com", "first_name": "Annabel", "last_name": "Straße"},
        "e": {"username": "Ärger", "email": "e@example.com", "last_name": "van der Meer", "first_name": "Zoë"},
        "g": {"username": "zed", "email": "zed@exämple.com"},
        "f": {"username": "f_%", "email": "f@example.com", "last_name": "100%", "first_name": "a_b"},
    }
    return {name: make_user(**values)["id"] for name, values in rows.items()}


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("ann", "acbd"),  # by user name, by e-mail, by last name, by first name
        ("ANN", "acbd"),
        (" ann\tstr ", "d"),
        ("annabel dora", "d"),
        ("zed@exämple.com", "g"),
        ("ZED@xn--exmple-cua.com", "g"),
        ("bob ann", "b"),
        ("ann bob zzz", ""),
        ("äRGER", "e"),
        ("a\u0308rger", "e"),
        ("STRASSE", "d"),
        ("straße", "d"),
        ("ａｎｎａ", "ad"),
        ("zoe\u0308", "e"),
        ("van", "e"),
        ("der", "e"),
        ("f_%", "f"),
        ("f_", "f"),
        ("%", ""),
        ("100%", "f"),
        ("a_", "f"),
        ("\\", ""),
        ("'; select pg_sleep(9) --", ""),
        ("annb", ""),
    ],
)
def test_every_word_is_the_beginning_of_something(client, town, q, found):
    assert ids(client.get(url(q=q))) == [town[name] for name in found]


def test_pages_of_it_are_the_whole_both_ways(client, town, make_user):
    for n in range(8):
        make_user(last_name="Ann", first_name="Ann", email=f"ann{n}@example.com")
    whole = ids(client.get(url(q="ann")))
    assert len(whole) == len(set(whole)) == 12
    for limit in (1, 5):
        assert flat(walk(client, url(q="ann", limit=limit))) == whole
        last = url(q="ann", limit=limit)
        while following := client.get(last).json()["next"]:
            last = following
        assert flat(walk(client, last, "previous")[::-1]) == whole


def test_a_page_ends_early_with_next(client, town, make_user, monkeypatch):
    for n in range(20):
        make_user(username=f"ann{n:02}", last_name="Rare" if n % 7 == 0 else "")
    whole = ids(client.get(url(q="ra ann")))
    assert len(whole) == 3
    monkeypatch.setattr("populace.users.search_parts.search", partial(search, examined=4))
    pages = walk(client, url(q="ra ann", limit=20))
    assert len(pages) > 5
    assert flat(pages) == whole
    assert flat(walk(client, url(q="ann ra", limit=1))) == whole
    last = url(q="ra ann")
    while following := client.get(last).json()["next"]:
        last = following
    assert flat(walk(client, last, "previous")[::-1]) == whole


def test_only_is_active_stands_beside_it(client, town):
    User._base_manager.filter(id=town["b"]).update(is_active=False)
    assert ids(client.get(url(q="ann", is_active="false"))) == [town["b"]]
    assert ids(client.get(url(q="ann", is_active="true"))) == [town[name] for name in "acd"]
    found = client.get(url(q="ann", is_active="true", limit="1", fields="id", count="exact")).json()
    assert (found["results"], found["count"]["value"]) == ([{"id": town["a"]}], 3)
    for name, value in (VALUES | {"order": "email"}).items():
        if name != "is_active":
            response = client.get(url(q="ann", **{name: value}))
            assert (response.status_code, response.json()["code"]) == (400, "order_not_served")


@pytest.mark.parametrize("q", ["", " ", "x" * 201, "a\x01"])
def test_no_words_or_no_text_is_refused(client, q):
    assert client.get(url(q=q)).json()["code"] == "invalid"


def test_words_are_bounded(client):
    assert client.get(url(q="a b c d")).status_code == 200
    assert client.get(url(q="a b c d e")).json()["code"] == "too_many"
