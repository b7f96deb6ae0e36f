"""A42: words that would like to be a pattern, or an expression of full-text search."""

from urllib.parse import quote

import pytest

from tests.functional.test_lists import ids, url

pytestmark = pytest.mark.django_db

HOSTILE = [
    ("abc%def", "abcxdef"),
    ("abc_def", "abcxdef"),
    ("abc\\def", "abcdef"),
    ("abc\\%", "abc%"),
    ("abc%", "abcx"),
    ("%abc", "xabc"),
    ('abc"OR"xyz', "xyz"),
    ('"abc"', "abc"),
    ("abc*", "abcd"),
    ("^abc", "xabc"),
    ("-abc", "xyz"),
    ("texts:abc", "abc"),
    ("{texts}:abc", "abc"),
    ("(abc)", "abc"),
    ("near(abc,def)", "abcdef"),
    ("abc'--", "abc"),
    ("abc;select", "abc"),
    ("%s%sabc", "abc"),
    ("%(x)sabc", "abc"),
    ("$1abc", "abc"),
    ("?abc", "xabc"),
    ("and", "xyz"),
    ("not", "xyz"),
    ("or_xyz", "orxxyz"),
    ("a.c[abc]", "aaca"),
]
"""A word, and what it would find if it were more than its letters."""


@pytest.mark.parametrize(("word", "other"), HOSTILE, ids=[word for word, _ in HOSTILE])
def test_a42_every_letter_of_a_part_stands_for_itself(client, make_user, word, other):
    """Guards: populace/infra/db/parts_postgresql.py:terms (its escapes), parts_sqlite.py:_all_of (its quotes).

    Behind a blank: MariaDB finds beginnings of words.
    """
    found = make_user(first_name=f"zz {word}zz")["id"]
    make_user(first_name=f"zz {other}zz")
    answer = client.get(url(q=word))
    assert ids(answer) == [found], quote(word)
    assert client.get(url(q=word, count="exact")).json()["count"]["value"] == 1


LONG = ["ab" * 100, "abcdefghij" * 20, "ß" * 200, "ﷺ" * 200, "a" * 200, "".join(chr(0x4E00 + n) for n in range(200))]


@pytest.mark.parametrize("word", LONG, ids=range(len(LONG)))
def test_a42_the_longest_word_is_looked_up(client, word):
    """`ﷺ` becomes 18 letters. Guard: populace/users/search.py:words_of, and that FTS5 takes as many terms."""
    assert ids(client.get(url(q=word))) == []


@pytest.mark.parametrize(
    "word", ["...", "@@@@", "a.b.c.d", "-" * 190, "__%__", "\\\\\\", "'''", '"""', "🙂🙂🙂", "ab_cd"]
)
def test_a71_what_no_index_has_is_never_looked_up(client, make_user, word):
    """Guard: populace/infra/db/parts_terms.py:has_letters."""
    make_user(first_name=f"zz{word}zz")
    assert ids(client.get(url(q=word))) == []
