"""A03: a user name that looks like another one is refused; plain names of every script are not."""

import pytest

from populace.users.lookalikes import skeleton
from tests.support.doors import DOORS, rest_create

MIXED = ["раypal", "pаypal", "gοοgle", "Аdmin", "адmin1", "ελλada", "ねpal한", "王한ㄅ", "अa"]
PLAIN = [
    "коваль",
    "Ελένη",
    "小明",
    "محمد",
    "प्रिया",
    "さくら",
    "サクラ太郎",
    "김민준",
    "שלום",
    "สมชาย",
    "王ㄅㄆ",
    "tom王さん",
]
NO_TWINS = [("modem", "modern"), ("bob1", "bobl"), ("alice0", "aliceo"), ("vv", "w"), ("cl", "d")]
TWINS = {"coco": "сосо", "scope": "ѕсоре", "o'neil": "oʼneil", "ооо": "οοο", "pip": "рір"}


@pytest.fixture(scope="module", autouse=True)
def held(town):
    outcomes = rest_create(town, [{"username": name} for name in TWINS])
    assert {outcome.code for outcome in outcomes} == {""}


def test_a03_mixed_scripts_are_refused_at_every_door(town, door, same):
    """Guard: populace/users/lookalikes.py:is_mixed, called by identifiers.py:username_normal."""
    same()
    outcomes = door.enter(town, [{"username": name} for name in MIXED])
    assert [(outcome.code, outcome.field) for outcome in outcomes] == [("mixed_script", "username")] * len(MIXED)
    assert {outcome.status for outcome in outcomes} <= {0, 400}


def test_a03_a_lookalike_is_refused_at_every_door(town, door, same):
    """Guard: populace/users/identifiers.py:claims (the kind `confusable`) and lookalikes.py:skeleton."""
    same()
    outcomes = door.enter(town, [{"username": name} for name in TWINS.values()])
    assert {outcome.code for outcome in outcomes} == {"confusable"}
    assert {outcome.status for outcome in outcomes} <= {0, 409}


def test_a03_an_import_that_skips_conflicts_does_not_skip_a_lookalike_in_silence(town, tmp_path):
    """Guard: populace/bulk/imports.py:_imported."""
    path = tmp_path / "people.csv"
    path.write_text("username\nсосо\ncoco\n")
    said = town.populace("import", str(path), "--json", expected=3)
    assert '"code": "confusable"' in said
    assert '"skipped": 1, "failed": 1' in said


def test_a03_plain_names_of_every_script_and_near_misses_go_in(town, door):
    """A full UTS 39 skeleton would refuse the pairs."""
    number = DOORS.index(door)
    names = [f"{name}{number}" for name in (*PLAIN, *(name for pair in NO_TWINS for name in pair))]
    outcomes = door.enter(town, [{"username": name} for name in names])
    assert dict(zip(names, [outcome.code for outcome in outcomes], strict=True)) == dict.fromkeys(names, "")


@pytest.mark.parametrize(
    ("one", "other"),
    [("coco", "сосо"), ("scope", "ѕсоре"), ("m", "𑜀"), ("o", "о"), ("o", "ο"), ("क्ष", "क्\u200dष"), ("i", "і")],
)
def test_a03_what_looks_alike_has_one_skeleton(one, other):
    """Guard: populace/users/unicode/confusables.txt, made by script/unicode-tables."""
    assert skeleton(one) == skeleton(other)


def test_a03_ascii_letters_and_digits_stay_themselves():
    """Guard: script/unicode-tables:prototype."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    assert skeleton(letters) == letters
    assert len(skeleton("ဪ" * 64)) <= 128
