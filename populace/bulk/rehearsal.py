"""What a dry run would have written, so that later rows of the file are told what they would be told."""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from uuid import UUID

from populace.bulk.candidates import Candidate
from populace.users.batches import Edit

TABLES = """
PRAGMA synchronous = OFF;
PRAGMA journal_mode = MEMORY;
CREATE TABLE IF NOT EXISTS claimed (key TEXT PRIMARY KEY, kind TEXT, person TEXT, is_new INTEGER) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS of_person ON claimed (person, kind);
CREATE TABLE IF NOT EXISTS hashes (row INTEGER PRIMARY KEY, encoded TEXT);
CREATE TABLE IF NOT EXISTS known (rows INTEGER)
"""
CHUNK = 10_000  # values of one statement


class Rehearsal:
    """The identifiers that the rows so far would hold: in a file of a job, for however many there are."""

    NAME = "rehearsal"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept = sqlite3.connect(path)
        self._kept.executescript(TABLES)
        [[rows]] = self._kept.execute("SELECT COALESCE(max(rows), 0) FROM known").fetchall()
        self.rows: int = rows
        """How many rows of the file it knows."""

    def keep(self, rows: int) -> None:
        """Keep what was remembered since: it knows this many rows now."""
        self._kept.execute("INSERT INTO known VALUES (?)", (rows,))
        self._kept.commit()
        self.rows = rows

    def drop(self) -> None:
        """Forget what was remembered since `keep`."""
        self._kept.rollback()

    def keep_hash(self, row: int, encoded: str) -> None:
        """Keep the hash of a row's password."""
        self._kept.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?)", (row, encoded))

    def hash_of(self, row: int) -> str:
        """Return what was kept; '' for nothing."""
        found = self._kept.execute("SELECT encoded FROM hashes WHERE row = ?", (row,)).fetchone()
        return found[0] if found else ""

    def close(self) -> None:
        """Let go of the file."""
        self._kept.close()

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
        told = [(one, one.made.id, True) for one in newcomers]
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
