"""GET /api/v1/users?q=: whom it finds, in which order, and that it stops."""

from functools import partial

import pytest
from django.db import connection

from populace.users import statistics
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


@pytest.mark.only_on("postgresql", "sqlite", "have every three letters in a row")
@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("nna", "ad"),  # anna, annabel
        ("NNA", "ad"),
        ("ｎｎａ", "ad"),
        ("nnab", "d"),
        ("nnabelx", ""),
        ("nab str", "d"),  # the other word is a beginning
        ("nab tra", "d"),  # is a part, too
        ("nab ra", ""),  # is neither: two letters are no part
        ("nab zzz", ""),
        ("bo nnex", "b"),
        ("traß", "d"),
        ("TRASS", "d"),
        ("oë.", ""),
        ("nnex.exa", "b"),  # letters in a row, and a dot
        ("van der", "e"),
        ("an der", ""),
        ("00%", ""),  # no three letters in a row
        ("mee", "e"),
        ("van der mee", "e"),
        ("nna an", "ad"),
        ("nn", ""),
    ],
)
def test_a_word_of_three_letters_is_also_found_inside(client, town, q, found):
    assert ids(client.get(url(q=q))) == [town[name] for name in found]


@pytest.mark.only_on("mariadb", "has the beginnings of words")
@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("nna", ""),  # in the middle of a word
        ("annex", "b"),  # behind the @
        ("ANNEX", "b"),
        ("annex.exa", "b"),  # words, and a dot
        ("@annex", "b"),
        (".@annex", ""),
        ("anney", ""),
        ("meer", "e"),  # behind a blank
        ("annex nne", "b"),  # what the row is asked for may be in the middle
        ("annex zzz", ""),
        ("bo annex", "b"),
        ("xn--exmple-cua", "g"),
        ("exmple", "g"),
        ("van der meer", "e"),
        ("an der", ""),
        ("co", ""),  # two letters
        ("00%", ""),
    ],
)
def test_a_word_that_begins_inside_is_found(client, town, q, found):
    assert ids(client.get(url(q=q))) == [town[name] for name in found]


@pytest.fixture
def annas(make_user):
    """People who begin with anna, and people who have it inside, made in turn; (the ones, the others), in order."""
    made = [make_user(username=f"anna{n}" if n % 2 else f"jo.anna{n}", last_name=f"Wu{n % 3}") for n in range(10)]
    return [p["id"] for p in made if p["username"].startswith("anna")], [p["id"] for p in made[::2]]


def test_parts_come_behind_beginnings_in_the_order_of_ids(client, annas):
    begin, inside = annas
    whole = begin + inside
    assert ids(client.get(url(q="anna"))) == whole
    for limit in (1, 4, 5, 7):
        assert flat(walk(client, url(q="anna", limit=limit))) == whole
        last = url(q="anna", limit=limit)
        while following := client.get(last).json()["next"]:
            last = following
        assert flat(walk(client, last, "previous")[::-1]) == whole


@pytest.fixture
def large(monkeypatch):
    """Have the statistics of now call the directory a large one."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE users_user")
    statistics._kept.clear()
    monkeypatch.setattr("populace.users.search_parts.AT_ONCE", 1)
    yield
    statistics._kept.clear()


@pytest.mark.only_on("postgresql", "the others look up no more than they show")
def test_in_a_large_directory_a_page_of_beginnings_ends_before_parts(client, annas, large):
    """Guards: populace/users/search_parts.py:_waits, completed (the mark behind which parts begin)."""
    begin, inside = annas
    assert walk(client, url(q="anna")) == [begin, inside]
    for limit in (1, 4, 5, 7):
        assert flat(walk(client, url(q="anna", limit=limit))) == begin + inside
        last = url(q="anna", limit=limit)
        while following := client.get(last).json()["next"]:
            last = following
        assert flat(walk(client, last, "previous")[::-1]) == begin + inside


@pytest.mark.only_on("postgresql", "the others look up no more than they show")
def test_in_a_large_directory_a_part_that_nothing_begins_with_is_found_at_once(client, annas, large):
    """Guard: populace/users/search_parts.py:completed (the second statement)."""
    _, inside = annas
    assert ids(client.get(url(q=".anna"))) == inside
    assert flat(walk(client, url(q=".anna", limit=2))) == inside
    assert client.get(url(q="zzzz")).json()["next"] is None


@pytest.mark.parametrize("q", ["anna", "nna", "anna wu1", "nna u", ".ann 7", "ANNA wu"])
def test_counts_are_of_whom_the_list_shows(client, annas, q):
    shown = len(ids(client.get(url(q=q))))
    for kind in ("exact", "capped"):
        assert client.get(url(q=q, count=kind)).json()["count"] == {"value": shown, "kind": kind}


def test_the_state_goes_with_parts(client, annas):
    _, inside = annas
    User._base_manager.filter(id=inside[1]).update(is_active=False)
    assert ids(client.get(url(q=".anna", is_active="false"))) == inside[1:2]
    assert ids(client.get(url(q=".anna", is_active="true"))) == [*inside[:1], *inside[2:]]


@pytest.mark.only_on("postgresql", "sqlite", "find them in the middle of a word")
def test_whoever_has_all_the_letters_but_not_in_a_row_is_not_found(client, make_user):
    """Guard: populace/users/search_parts.py:_shown (looks at the row: FTS5 knows only every three letters)."""
    found = make_user(username="xannab")["id"]
    make_user(username="xanna", first_name="nab")
    assert ids(client.get(url(q="annab", count="exact"))) == [found]
    assert client.get(url(q="annab", count="exact")).json()["count"]["value"] == 1


def test_a_change_and_a_deletion_are_seen_at_once(client, annas):
    _, inside = annas
    assert client.patch(f"/api/v1/users/{inside[0]}", {"username": "ros.alind"}).status_code == 200
    assert client.delete(f"/api/v1/users/{inside[1]}").status_code == 204
    assert ids(client.get(url(q=".anna"))) == inside[2:]
    assert ids(client.get(url(q=".alin"))) == inside[:1]


def test_switched_off_it_finds_beginnings_only(client, annas, settings):
    """Guard: populace/users/parts.py:in_use."""
    begin, _ = annas
    cursor = client.get(url(q="anna", limit=7)).json()["next"]
    settings.SEARCH_PARTS = False
    assert ids(client.get(url(q="anna", count="exact"))) == begin
    assert client.get(url(q="anna", count="exact")).json()["count"]["value"] == len(begin)
    assert client.get(cursor).json()["results"] == []  # of a page behind parts nothing is left


def test_of_a_common_part_so_many_are_found(client, make_user, monkeypatch):
    inside = [make_user(last_name=f"van Hoek{n}")["id"] for n in range(5)]
    monkeypatch.setattr("populace.users.search_parts.search", partial(search, examined=3))
    found = flat(walk(client, url(q="hoek", limit=2)))
    assert found == sorted(found)
    assert len(found) == 3
    assert set(found) <= set(inside)


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
