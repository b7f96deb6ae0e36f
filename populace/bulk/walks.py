"""A list of people in large steps, each person as bytes that the database has made."""

import json
from collections.abc import Collection
from typing import Any, NamedTuple
from uuid import UUID

from populace.infra.db.compiled import Compiled, ListParam, Row
from populace.users.lists import Listing
from populace.users.models import User
from populace.users.pages import ROWS, Key
from populace.users.querysets import Reader, visible_to

STEP = 2_000
"""Rows of one statement: some 20 ms of the database's, so that a cold disk does not use up a statement's 5 s."""

SEARCHED = ROWS[-1]
"""Rows of one page of a search."""


class Step(NamedTuple):
    """Some of the list in its order, and behind which key it goes on; None: this was the end."""

    lines: list[bytes]
    key: Key | None


class Walk:
    """A list whose people are shown by an expression. Each step is a statement or two of its own."""

    def __init__(self, listing: Listing, shown: Any) -> None:
        self.listing = listing
        self._indirect = listing.identified or bool(listing.words)
        if self._indirect:
            ids = ListParam("ids", User._meta.get_field("id"))
            people = visible_to(Reader()).filter(pk__in=ids)
            self._rows = Compiled(people.values_list(shown, "id"))
        else:
            self._rows = Compiled(listing.rows(shown), limits=(STEP,))

    def step(self, key: Key) -> Step:
        """Return what lies behind `key`; () is before everybody."""
        if self.listing.identified:
            return Step(self._of([str(json.loads(document)["id"]) for document in self.listing.person()]), None)
        if self._indirect:
            return self._found(key)
        rows = self._rows.result(self.listing.place(key, descending=self.listing.descending), STEP)
        lines = [row[0] for row in rows if row[0] is not None]
        return Step(lines, _key(rows[-1][1:]) if len(rows) == STEP else None)

    def _found(self, key: Key) -> Step:
        """Return a page of a search: its rows are (document, *key, ended)."""
        statement, values = self.listing.read(key, backwards=False)
        rows = self.listing.completed(statement.result(values, SEARCHED), SEARCHED, key, backwards=False)
        lines = self._of([(row[-2] or b"").decode() for row in rows if row[0] is not None])
        goes_on = bool(rows) and (len(rows) >= SEARCHED or rows[-1][-1] == b"t")
        return Step(lines, _key(rows[-1][1:-1]) if goes_on else None)

    def _of(self, ids: Collection[str]) -> list[bytes]:
        """Return the people of these ids who are still there, in this order."""
        found = {row[1]: row[0] for row in self._rows.result({"ids": [UUID(id) for id in ids]})} if ids else {}
        return [line for id in ids if (line := found.get(id.encode())) is not None]


def _key(columns: Row) -> Key:
    return tuple((column or b"").decode() for column in columns)
