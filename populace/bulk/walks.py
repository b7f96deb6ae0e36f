"""A list of people in large steps, each person as a line that the database has made."""

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, Self
from uuid import UUID

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from populace.groups.models import Membership
from populace.infra.db.cells import MARK, shown
from populace.infra.db.compiled import Compiled, ListParam, Row
from populace.infra.db.documents import object_of
from populace.users.documents import NEW, GroupRef
from populace.users.lists import Listing
from populace.users.models import User
from populace.users.pages import ROWS, Key
from populace.users.querysets import Reader, visible_to

STEP = 2_000
"""Rows of one statement: some 20 ms of the database's, so that a cold disk does not use up a statement's 5 s."""

SEARCHED = ROWS[-1]
"""Rows of one page of a search."""

LATER = ("groups",)
"""What PostgreSQL tells apart from the line: as a part of it, each person's groups would be a query of their own, which
took more than half of the time (make bench-bulk)."""


class Step(NamedTuple):
    """Some of the list in its order, and behind which key it goes on; None: this was the end."""

    lines: list[bytes]
    key: Key | None


class Walk:
    """A list of people, each shown by an expression; `groups` are put into it. Each step is a few statements."""

    def __init__(self, listing: Listing, row: Any, groups: "Groups | None" = None) -> None:
        self.listing, self._groups = listing, groups
        self._people: Compiled | None = None
        if listing.identified or listing.words:
            people = visible_to(Reader()).filter(pk__in=Ids("ids", User._meta.get_field("id")))
            self._people = Compiled(people.values_list(row, "id"))
        else:
            self._rows = Compiled(listing.rows(row), limits=(STEP,))

    @classmethod
    def of_fields(cls, listing: Listing, names: Sequence[str], *, csv: bool) -> Self:
        """Return the list with these fields of each person, as CSV or as JSON."""
        apart = connections[User.objects.db].vendor == "postgresql" and not {*LATER}.isdisjoint(names)
        row = shown(NEW, User, names, csv=csv, later=LATER if apart else ())
        return cls(listing, row, Groups(csv=csv) if apart else None)

    def step(self, key: Key) -> Step:
        """Return what lies behind `key`; () is before everybody."""
        if self._people:
            return self._looked_up(self._people, key)
        rows = self._rows.result(self.listing.place(key, descending=self.listing.descending), STEP)
        return Step(self._lines(rows), key_of(rows[-1][1:]) if len(rows) == STEP else None)

    def _looked_up(self, people: Compiled, key: Key) -> Step:
        """Return who has the identifiers, or a page of a search, whose rows are (document, *key, ended)."""
        if self.listing.identified:
            ids, goes_on = [json.loads(document)["id"].encode() for document in self.listing.person()], None
        else:
            statement, values = self.listing.read(key, backwards=False)
            rows = self.listing.completed(statement.result(values, SEARCHED), SEARCHED, key, backwards=False)
            ids = [row[-2] for row in rows if row[0] is not None]
            more = bool(rows) and (len(rows) >= SEARCHED or rows[-1][-1] == b"t")
            goes_on = key_of(rows[-1][1:-1]) if more else None
        found = {row[1]: row for row in people.result({"ids": ids})} if ids else {}
        return Step(self._lines([found[id] for id in ids if id in found]), goes_on)

    def _lines(self, rows: Sequence[Row]) -> list[bytes]:
        """Return the lines of rows (line, …, id); who is gone has none."""
        there = [(row[0], row[-1] or b"") for row in rows if row[0] is not None]
        if self._groups is None or not there:
            return [line for line, _ in there]
        groups, mark = self._groups.of([id for _, id in there]), MARK.encode()
        return [line.replace(mark, groups.get(id, b"[]"), 1) for line, id in there]


class Groups:
    """The groups of many people, in one statement."""

    def __init__(self, *, csv: bool) -> None:
        rows = Membership.objects.filter(user_id__in=Ids("ids", Membership._meta.get_field("user")))
        group = object_of(GroupRef(), Membership, None)
        self._rows, self._csv = Compiled(rows.order_by("user_id", "group_id").values_list("user_id", group)), csv

    def of(self, ids: Collection[bytes]) -> dict[bytes, bytes]:
        """Return the list of those who have any, JSON, as it stands in a line."""
        found: dict[bytes, list[bytes]] = {}
        for id, item in self._rows.result({"ids": ids}):
            found.setdefault(id or b"", []).append(item or b"")
        lists = {id: b"[" + b",".join(items) + b"]" for id, items in found.items()}
        return {id: shown.replace(b'"', b'""') for id, shown in lists.items()} if self._csv else lists


class Ids(ListParam):
    """Ids as rows have them: PostgreSQL takes them in one text, for a tenth of what thousands of objects cost."""

    def adapt(self, value: Collection[bytes], connection: BaseDatabaseWrapper) -> Any:
        """Return what the driver takes."""
        if connection.vendor == "postgresql":
            return f"{{{b','.join(value).decode()}}}"
        return super().adapt([UUID(id.decode()) for id in value], connection)

    native = adapt


def key_of(columns: Row) -> Key:
    """Return columns of a row as a key."""
    return tuple((column or b"").decode() for column in columns)
