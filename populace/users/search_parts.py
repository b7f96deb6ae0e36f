"""The last step of `q`: people who have a word inside of a name, a user name or an e-mail address.

Whoever has the longest word as a part is looked up in the index (parts.py); every other word must begin a column or be
a part, too; whom the walks have shown is left out. The rest comes in the order of ids.

A look-up finds at most EXAMINED people, in no order, and those are sorted. Where the index gathers all it could find
before it gives the first (PostgreSQL), statistics decide: of the word only its rare letters are looked up; and a part
that many have, or none of whose letters are rare, is not: people are walked by their ids, which meets one of them soon.
"""

from collections.abc import Mapping, Sequence
from functools import cache, reduce
from operator import and_, or_
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, Case, Q, TextField, Value, When

from populace.infra.db.compiled import Compiled, Param, Plan, Row
from populace.infra.db.composed import composed, late, materialized
from populace.infra.db.ids import FIRST_ID, LAST_ID
from populace.infra.db.parts import Contains, Holds
from populace.infra.db.parts_terms import LETTERS, has_letters, is_ascii_letter
from populace.users.models import User
from populace.users.pages import Key, param
from populace.users.parts import PARTS, in_use
from populace.users.querysets import SEARCHED, Reader, visible_to
from populace.users.search import EXAMINED, KINDS, WORDS_MAX, Search, Word, begins, bounds_of, has, in_state, place_of
from populace.users.statistics import Column, statistics

STEP = len(SEARCHED)
"""The number of this step: those before it are the columns'."""

COMMON = 4
"""So often three letters stand in the few hundred values that statistics show, if one person in a hundred has them."""

OTHERS = range(1, WORDS_MAX)
"""The words but the one that is looked up."""

AT_ONCE = 100_000
"""People among whom a look-up takes a tenth of its page (`make bench-full`: "prefix of few"); the lists of letters that
PostgreSQL reads for it grow with the directory."""

BEHIND_BEGINNINGS: Key = (str(STEP), "", str(FIRST_ID))
"""The place at which the last step begins."""


def contains(word: Word) -> Q:
    """Return the condition that a row has the word as a part, in one of its spellings."""
    return reduce(or_, (Q(Contains(PARTS.whole, Value(spelling))) for spelling in dict.fromkeys(word)))


def _contains(word: int) -> Q:
    spellings = (bounds_of(word, column)[0] for column in ("last_name_normal", *KINDS))
    return reduce(or_, (Q(Contains(PARTS.whole, spelling)) for spelling in spellings))


def _is_part(word: int) -> Param:
    return param(f"is_part{word}", "is_active")


def _shown(behind: Q) -> Case:
    """Return whether somebody is shown: has the word in fact, and all others, and is in none of the walks."""
    fit = (has(word, SEARCHED) | (Q(_is_part(word)) & _contains(word)) for word in OTHERS)
    walked = reduce(and_, (has(word, SEARCHED) for word in range(WORDS_MAX)))
    shown = in_state() & behind & _contains(0) & reduce(and_, fit) & ~walked
    return Case(When(shown, then=Value(True)), default=Value(False), output_field=BooleanField())


def _behind(descending: bool) -> Q:
    return Q(**{f"id__{'lt' if descending else 'gt'}": param(f"id{STEP}", "id")})


class LookUp(Compiled):
    """People found by the index, at most `examined`, in the order of ids."""

    def __init__(self, *, descending: bool, examined: int) -> None:
        connection = connections[User.objects.db]
        values = {name: Param(name, TextField()) for name in PARTS.params(connection)}
        people = visible_to(Reader()).filter(Holds(PARTS.texts, values, examined))
        super().__init__(people.annotate(hit=_shown(_behind(descending))).values_list("id", "hit"))
        self.descending, self.examined = descending, examined

    def compile(self, connection: BaseDatabaseWrapper, limit: int | None) -> Plan:
        """Bound and sort what is found: rows (step, place, id, hit).

        Materialized, so that it is planned as if all were read, but read no further than the bound: for a part of the
        rows PostgreSQL might prefer to read the table from its beginning.
        """
        found, way = super().compile(connection, None), " DESC" if self.descending else ""
        few = f"(SELECT * FROM found LIMIT {late(self.examined, connection)}) AS few"  # noqa: S608 (numbers of ours)
        tail = f") SELECT {STEP} AS step, '' AS place, id, hit FROM {few} WHERE hit ORDER BY id{way}"  # noqa: S608
        return composed(f"WITH found AS {materialized(connection)}(", found, tail, texts=[])


def _walk(descending: bool) -> Compiled:
    """Return the walk through everybody, for a part that is common; rows (step, place, id, hit)."""
    behind = _behind(descending)
    people = (
        visible_to(Reader()).filter(Q(param("common", "is_active")), behind).order_by("-id" if descending else "id")
    )
    people = people.annotate(step=Value(STEP), place=Value(""), hit=_shown(Q()))
    return Compiled(people.values_list("step", "place", "id", "hit"))


@cache
def search(descending: bool, with_parts: bool, examined: int = EXAMINED) -> Search:
    """Return the statement of `q`, against its order if `descending`."""
    further: list[Compiled] = []
    if with_parts:
        further.append(LookUp(descending=descending, examined=examined))
        if PARTS.eager(connections[User.objects.db]):
            further.append(_walk(descending))
    return Search(descending=descending, further=further, examined=examined)


def read(words: Sequence[Word], is_active: bool | None, key: Key, *, descending: bool) -> tuple[Search, dict[str, Any]]:
    """Return the statement of the page behind `key`, and its values.

    The last step is left out where it has nothing to add (on the way back it comes first, and is passed), and where it
    waits: give the rows to `completed`.
    """
    connection = connections[User.objects.db]
    values = place_of(words, is_active, key, descending)
    passed = bool(key) and descending and int(key[0]) < STEP
    if passed or not words[0].is_part or not in_use(connection) or _waits(key, descending, connection):
        return search(descending, False), values
    return search(descending, True), values | _place_of(words, key, descending, connection)


def completed(
    rows: list[Row], limit: int, words: Sequence[Word], is_active: bool | None, key: Key, *, descending: bool
) -> list[Row]:
    """Return the rows of `read`'s statement, read up to `limit`, and what the last step adds if it has waited.

    In a large directory a page that beginnings do not fill ends with them, so that whoever types on sees them at no
    higher price; people who have the word as a part are the next page. Where nobody has it as a beginning, they are
    this one, by a second statement.
    """
    connection = connections[User.objects.db]
    whole = len(rows) >= limit or bool(rows and rows[-1][-1] == b"t")
    if whole or not words[0].is_part or not _waits(key, descending, connection) or not in_use(connection):
        return rows
    if rows:
        return [*rows, (None, *(text.encode() for text in BEHIND_BEGINNINGS), b"t")]
    statement, values = read(words, is_active, BEHIND_BEGINNINGS, descending=False)
    return statement.result(values, limit)


def _waits(key: Key, descending: bool, connection: BaseDatabaseWrapper) -> bool:
    """Tell whether the look-up is left to a page of its own: not on the way back, which begins with it."""
    if descending or (key and int(key[0]) == STEP) or not PARTS.eager(connection):
        return False
    columns = statistics(connection)
    return SEARCHED[0] in columns and columns[SEARCHED[0]].rows > AT_ONCE


def _place_of(words: Sequence[Word], key: Key, descending: bool, connection: BaseDatabaseWrapper) -> dict[str, Any]:
    """Return what the last step takes besides: its place, the words that may be parts, and the look-up."""
    behind = UUID(key[2]) if key and int(key[0]) == STEP else LAST_ID if descending else FIRST_ID
    parts = {f"is_part{word}": word < len(words) and words[word].is_part for word in OTHERS}
    found = PARTS.terms(connection, words[0])
    if not PARTS.eager(connection):
        return {f"id{STEP}": behind, **parts, **found}
    columns = statistics(connection)
    texts = "\n".join(columns[name].texts for name in SEARCHED if name in columns)
    spellings = dict.fromkeys(words[0])  # as a rule one
    rare = [stretch for word in spellings if (stretch := rare_stretch(word, texts))]
    if len(rare) == len(spellings):
        found = PARTS.terms(connection, rare)
    seen = not rare and any(word in texts for word in spellings)
    common = any(found.values()) and (seen or _holders(words[0], columns) > EXAMINED)
    return {f"id{STEP}": behind, **parts, **(dict.fromkeys(found) if common else found), "common": common}


def rare_stretch(word: str, texts: str) -> str:
    """Return the longest stretch of a word none of whose threes is common in `texts`; "" where there is none.

    To have common threes compared with each other is most of a look-up's work, and tells hardly anything.
    """
    best, begin = "", 0
    for end in range(LETTERS, len(word) + 1):
        if texts.count(word[end - LETTERS : end]) >= COMMON:
            begin = end - LETTERS + 1
        elif end - begin > len(best):
            best = word[begin:end]
    return best if has_letters(best, is_ascii_letter) else ""


def share(columns: Mapping[str, Column], word: Word) -> float:
    """Return about which share of the people has the word as a part; 0 where few have, or nobody knows."""
    return min(1.0, sum(column.containing(set(word)) for name, column in columns.items() if name in SEARCHED))


def _holders(word: Word, columns: Mapping[str, Column]) -> float:
    return columns[SEARCHED[0]].rows * share(columns, word) if SEARCHED[0] in columns else 0


def fits(words: Sequence[Word], connection: BaseDatabaseWrapper) -> Q:
    """Return the condition for all people whom `q` finds, for a count of them."""
    found = PARTS.terms(connection, words[0]) if in_use(connection) else {}
    if not any(found.values()):
        return begins(words)
    # Whoever has the word as a beginning has it as a part, too.
    others = (begins([word]) | contains(word) if word.is_part else begins([word]) for word in words[1:])
    return reduce(and_, others, Q(Holds(PARTS.texts, found)) & contains(words[0]))
