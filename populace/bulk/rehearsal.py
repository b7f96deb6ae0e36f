"""What a dry run would have written, so that later rows of the file are told what they would be told."""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from populace.bulk.candidates import Candidate
from populace.users.batches import Edit

TABLE = """
CREATE TABLE claimed (key TEXT PRIMARY KEY, kind TEXT, person TEXT, is_new INTEGER) WITHOUT ROWID;
CREATE INDEX of_person ON claimed (person, kind)
"""
CHUNK = 10_000  # values of one statement


class Rehearsal:
    """The identifiers that the rows so far would hold: in a file without a name, for however many there are."""

    def __init__(self) -> None:
        self._kept = sqlite3.connect("")
        self._kept.executescript(TABLE)

    def holders(self, stored: Mapping[str, UUID], keys: Collection[str]) -> dict[str, UUID]:
        """Return who would hold these keys by now, given who holds them in the database."""
        mine = {key: UUID(person) for key, person in self._rows("SELECT key, person", "key", keys)}
        people = {str(holder) for holder in stored.values()}
        instead = {
            (person, kind): key for key, kind, person in self._rows("SELECT key, kind, person", "person", people)
        }
        left = {
            key: holder
            for key, holder in stored.items()
            if instead.get((str(holder), key.partition(":")[0]), key) == key
        }
        return left | mine

    def made(self, people: Iterable[UUID]) -> set[UUID]:
        """Return those of these people who are of the file alone."""
        rows = self._rows("SELECT person, is_new", "person", [str(one) for one in people])
        return {UUID(person) for person, is_new in rows if is_new}

    def remember(self, newcomers: Sequence[Candidate], edits: Sequence[tuple[Candidate, Edit]]) -> None:
        """Keep what a batch would have written."""
        changed = [(one, edit) for one, edit in edits if not edit.refused]
        made = self.made(edit.user_id for _, edit in changed)
        for one, edit in changed:
            for kind in one.keys:
                self._kept.execute("DELETE FROM claimed WHERE person = ? AND kind = ?", (str(edit.user_id), kind))
        told = [(one, one.user.id, True) for one in newcomers]
        told += [(one, edit.user_id, edit.user_id in made) for one, edit in changed]
        self._kept.executemany(
            "INSERT OR REPLACE INTO claimed VALUES (?, ?, ?, ?)",
            [(key, kind, str(person), new) for one, person, new in told for kind, key in one.keys.items()],
        )

    def _rows(self, select: str, column: str, values: Collection[str]) -> list[tuple[str, ...]]:
        """Return the rows whose `column` is one of these; the text is made of our own words alone (hence noqa)."""
        found, all_values = [], list(values)
        for start in range(0, len(all_values), CHUNK):
            some = all_values[start : start + CHUNK]
            marks = ", ".join("?" * len(some))
            found += self._kept.execute(f"{select} FROM claimed WHERE {column} IN ({marks})", some).fetchall()
        return found
