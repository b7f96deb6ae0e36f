"""`q`: people of whom every word is the beginning of a user name, an e-mail address, a last or a first name.

Behind them come those who have a word inside of one of these (search_parts.py, which makes the whole statement).

The longest word is walked: through the index of each column of SEARCHED in turn, from where the word begins to where
it ends. A person is shown in the first column that has the word, if the other words fit, too. So the order is
(column, value, id), which a cursor can hold; and a page costs what it examines, at most EXAMINED rows.
"""

import unicodedata
from collections.abc import Sequence
from functools import reduce
from operator import and_, or_
from typing import Any, NamedTuple
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, Case, F, Q, Value, When
from django.db.models.expressions import RawSQL

from populace.infra.db.compiled import Compiled, Param, Plan
from populace.infra.db.composed import composed, late, seen
from populace.infra.db.documents import document
from populace.infra.db.ids import FIRST_ID, LAST_ID
from populace.infra.db.lookups import LAST, after, prefix_bounds, starts_with
from populace.infra.db.parts_terms import has_letters
from populace.users.documents import UserDocument
from populace.users.errors import Invalid, Refused
from populace.users.identifiers import email_normal, name_normal
from populace.users.models import User
from populace.users.pages import ROWS, Key, param
from populace.users.profile import line
from populace.users.querysets import SEARCHED, Reader, visible_to

EXAMINED = 10_000
"""Rows of indexes that one page looks at; then it ends early."""

WORDS_MAX = 4
Q_MAX = 200  # code points


class Word(NamedTuple):
    """A word as names are compared, as user names are, and as e-mail addresses are."""

    name: str
    username: str
    email: str

    @property
    def is_part(self) -> bool:
        """Tell whether it is looked for inside of names, too: three letters or digits in a row."""
        return has_letters(self.name)

    def bounds(self, column: str) -> tuple[str, str]:
        """Return between which texts the values of a column lie that begin with it."""
        return prefix_bounds({"username_normal": self.username, "email_normal": self.email}.get(column, self.name))


def words_of(q: str) -> tuple[Word, ...]:
    """Return the words of `q`, the longest first, those that are no part last; raises Refused."""
    try:
        line(" ".join(q.split()))
    except Invalid as error:
        raise Refused("invalid", "q", error.detail) from error
    words = dict.fromkeys(Word(name_normal(word), _username(word), _email(word)) for word in q.split())
    if not words or len(q) > Q_MAX:
        raise Refused("invalid", "q", f"One to {WORDS_MAX} words, at most {Q_MAX} characters.")
    if len(words) > WORDS_MAX:
        raise Refused("too_many", "q", f"At most {WORDS_MAX} words.")
    return tuple(sorted(words, key=lambda word: (not word.is_part, -len(word.name))))


def _username(word: str) -> str:
    # RFC 8265 section 3.3.2 maps widths, case and composition, but nothing else that NFKC would.
    wide = (unicodedata.decomposition(letter).startswith(("<wide>", "<narrow>")) for letter in word)
    mapped = [
        unicodedata.normalize("NFKC", letter) if is_wide else letter for letter, is_wide in zip(word, wide, strict=True)
    ]
    return unicodedata.normalize("NFC", "".join(mapped).lower())


def _email(word: str) -> str:
    """Return a whole address as it is compared, its domain as A-labels; else the word as names are."""
    try:
        return email_normal(word).normal
    except Invalid:
        return name_normal(word)


KINDS = {"username_normal": "u", "email_normal": "e"}
"""Columns whose words are compared in a way of their own, and what their parameters' names begin with."""


def begins(words: Sequence[Word]) -> Q:
    """Return the condition that every word begins one of the columns."""
    fits = (reduce(or_, (Q(**_between(column, *word.bounds(column))) for column in SEARCHED)) for word in words)
    return reduce(and_, fits)


def _between(column: str, low: Any, high: Any) -> dict[str, Any]:
    return {f"{column}__gte": low, f"{column}__lt": high}


def bounds_of(word: int, column: str) -> tuple[Param, Param]:
    """Return the bounds of a word in a column; absent words lie between all texts."""
    kind = KINDS.get(column, "")
    return param(f"{kind}low{word}", column), param(f"{kind}high{word}", column)


def has(word: int, columns: Sequence[str]) -> Q:
    """Return the condition that one of the columns begins with a word of the statement."""
    return reduce(or_, (starts_with(column, bounds_of(word, column)) for column in columns))


def in_state() -> Q:
    """Return the condition that somebody is active, or not, as it is asked for."""
    return Q(is_active__in=[param("active", "is_active"), param("inactive", "is_active")])


def _shown(step: int) -> Q:
    """Return whether a row of a column's walk is shown: not in an earlier one, and with every other word."""
    condition = in_state()
    for word in range(1, WORDS_MAX):
        condition &= has(word, SEARCHED)
    return condition & ~has(0, SEARCHED[:step]) if step else condition


def _step(step: int, descending: bool) -> Compiled:
    """Return the walk through one column: rows (step, place, id, hit)."""
    column, sign = SEARCHED[step], "-" if descending else ""
    low, high = bounds_of(0, column)
    behind = after({column: param(f"place{step}", column), "id": param(f"id{step}", "id")}, descending=descending)
    end = {f"{column}__gte": low} if descending else {f"{column}__lt": high}
    hit = Case(When(_shown(step), then=Value(True)), default=Value(False), output_field=BooleanField())
    people = visible_to(Reader()).filter(behind, **end).order_by(sign + column, sign + "id")
    people = people.annotate(step=Value(step), place=F(column), hit=hit)
    return Compiled(people.values_list("step", "place", "id", "hit"))


class Search(Compiled):
    """The statement of `q`: rows (document or NULL, step, place, id, last).

    `last` marks the row after which the page ends early; without a document it is no more than this mark.
    """

    def __init__(self, *, descending: bool, further: Sequence[Compiled] = (), examined: int = EXAMINED) -> None:
        """Make the statement; `further` steps, whose rows are as a walk's, come behind all walks."""
        self.examined = examined
        self.order = ", ".join(f"{column}{' DESC' if descending else ''}" for column in ("step", "place", "id"))
        found = User.objects.order_by().filter(pk=RawSQL("page.id", ()))
        super().__init__(found.values_list(document(UserDocument)), limits=ROWS)
        steps = range(len(SEARCHED))
        self.walks = [_step(step, descending) for step in (reversed(steps) if descending else steps)]
        self.steps = [*further, *self.walks] if descending else [*self.walks, *further]

    def compile(self, connection: BaseDatabaseWrapper, limit: int | None) -> Plan:
        """Put the walks one behind the other. Nothing reads further than the page or the bound needs.

        The bound is a subquery because a known number would be planned for: to read 10,000 rows of an index in order,
        PostgreSQL would rather sort the whole range, and then throw away all but a page.
        """
        found, plans = super().compile(connection, None), [step.plan(connection) for step in self.steps]
        bound, last = f" LIMIT {late(self.examined, connection)}) AS", f"seen = {self.examined}"
        parts: list[str | Plan] = ["SELECT CASE WHEN hit THEN (", found, f") END, step, place, id, {last} FROM ("]
        counted, kept = seen(self.order, connection)
        parts += ["SELECT * FROM (SELECT *, ", f"{counted} FROM ("]
        for number, plan in enumerate(plans):
            parts += [" UNION ALL " if number else "", "SELECT * FROM (", plan, f"{bound} walk{number}"]
        parts.append(f"{bound} walked) AS numbered WHERE hit OR {last}{kept} LIMIT {limit}) AS page")
        return composed(*parts, texts=[*found.texts, *self.walks[0].plan(connection).texts])


def place_of(words: Sequence[Word], is_active: bool | None, key: Key, descending: bool) -> dict[str, Any]:
    """Return the values of the statement for the page behind `key`; behind the beginning if that is empty."""
    values: dict[str, Any] = {"active": is_active is not False, "inactive": is_active is True}
    for number in range(WORDS_MAX):
        everything = "", LAST
        for column, kind in {"last_name_normal": "", **KINDS}.items():
            low, high = words[number].bounds(column) if number < len(words) else everything
            values |= {f"{kind}low{number}": low, f"{kind}high{number}": high}
    for step, column in enumerate(SEARCHED):
        low, high = words[0].bounds(column)
        near, far = ((high, FIRST_ID), low) if descending else ((low, FIRST_ID), high)
        if key and step == int(key[0]):
            near = key[1], UUID(key[2])
        elif key and (step > int(key[0]) if descending else step < int(key[0])):
            near = far, FIRST_ID if descending else LAST_ID  # this column has been walked: nothing is left of it
        values |= {f"place{step}": near[0], f"id{step}": near[1]}
    return values
