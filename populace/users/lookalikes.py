"""Which user names look alike, and which mix scripts (Unicode Technical Standard 39).

Two names with the same `skeleton` could be taken for each other. ASCII letters and digits stand for themselves here:
the standard's own skeletons would also refuse `modem` beside `modern`. The tables are made by script/unicode-tables.
"""

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from pathlib import Path

FOLDER = Path(__file__).parent / "unicode"

SKELETON_MAX = 128
"""Code points of a skeleton; a longer one (one letter can become six) is replaced by its digest."""

ANY = {"Zyyy", "Zinh"}  # Common and Inherited: digits, punctuation, combining marks
UNKNOWN = frozenset({"Zzzz"})

# UTS 39 section 5.1: writing systems that use several scripts.
SYSTEMS = {
    "Hani": {"Hanb", "Jpan", "Kore"},
    "Hira": {"Jpan"},
    "Kana": {"Jpan"},
    "Hang": {"Kore"},
    "Bopo": {"Hanb"},
}
WITH_LATIN = frozenset({"Jpan", "Hanb", "Kore"})  # section 5.2, "Highly Restrictive"


def skeleton(normal: str) -> str:
    """Return what all normalised user names have in common that look like this one (UTS 39 section 4)."""
    letters = unicodedata.normalize("NFD", normal).translate(_prototypes())
    found = unicodedata.normalize("NFC", letters)
    if len(found) > SKELETON_MAX:
        return blake2b(found.encode(), digest_size=16).hexdigest()
    return found


def is_mixed(normal: str) -> bool:
    """Tell whether a normalised user name uses scripts that no one writing system does.

    Latin goes with Japanese, with Korean, and with Chinese in Han and Bopomofo; no other two scripts go together.
    """
    if normal.isascii():
        return False
    used = {found for found in map(scripts, normal) if not found & ANY}
    if frozenset.intersection(*used or [UNKNOWN]):
        return False
    others = used - {frozenset({"Latn"})}
    return not frozenset.intersection(*others) & WITH_LATIN


@cache
def _prototypes() -> dict[int, str]:
    """Return what each letter looks like, read once per process (2 ms), at the first name that needs it."""
    return {
        int(member, 16): "".join(chr(int(code, 16)) for code in found.split())
        for found, members in (line.split("<") for line in _lines("confusables.txt"))
        for member in members.split()
    }


@cache
def _ranges() -> tuple[list[int], list[tuple[int, frozenset[str]]]]:
    """Return where each run of letters begins, and where it ends and which scripts and systems use it."""
    rows = [line.split() for line in _lines("scripts.txt")]
    return [int(row[0], 16) for row in rows], [(int(row[1], 16), _augmented(row[2:])) for row in rows]


def _augmented(names: list[str]) -> frozenset[str]:
    return frozenset(names).union(*(SYSTEMS.get(name, ()) for name in names))


def _lines(name: str) -> Iterator[str]:
    with (FOLDER / name).open(encoding="utf-8") as file:
        yield from (line for line in file if not line.startswith("#"))


def scripts(character: str) -> frozenset[str]:
    """Return the scripts and writing systems that use a character; one our tables do not know goes with no other."""
    firsts, rest = _ranges()
    last, names = rest[bisect_right(firsts, ord(character)) - 1]
    return names if ord(character) <= last else UNKNOWN
