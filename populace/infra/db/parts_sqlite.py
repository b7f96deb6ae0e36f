"""SQLite's index of parts: a table of FTS5 with its trigram tokenizer, kept by triggers.

It holds for every three characters who has them, and nothing else (`content=''`, `detail=none`): no name stands in it,
and it is a fraction of one that could answer a phrase. So it finds a few too many, and the row is looked at once more.

FTS5 knows rows by whole numbers. Those of a table with another key are no names: VACUUM gives new ones. So each key
has a number in a table of its own.
"""

from collections.abc import Sequence

from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from populace.infra.db.parts_terms import LETTERS, Known, Texts, Unavailable, has_letters, is_letter

EAGER = False  # rows are found one by one
PARAMS: tuple[str, ...] = ("part",)
MERGED = 200  # pages that one step of `tidy` writes: the time that others wait for it

# 1 is the name of the index, 2 the table, 3 the texts of a new row in one, 4 those of an old one.
OBJECTS = {
    "{0}_number": 'CREATE TABLE "{0}_number" (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE)',
    "{0}_gone": 'CREATE TABLE "{0}_gone" (number INTEGER PRIMARY KEY)',
    "{0}": (
        'CREATE VIRTUAL TABLE "{0}" USING fts5'
        "(texts, tokenize='trigram case_sensitive 1', content='', columnsize=0, detail=none)"
    ),
    "{0}_insert": """CREATE TRIGGER "{0}_insert" AFTER INSERT ON "{1}" BEGIN
  INSERT INTO "{0}_number" (id) VALUES (NEW.id);
  INSERT INTO "{0}" (rowid, texts) SELECT number, {new} FROM "{0}_number" WHERE id = NEW.id;
END""",
    "{0}_delete": """CREATE TRIGGER "{0}_delete" AFTER DELETE ON "{1}" BEGIN
  INSERT INTO "{0}" ("{0}", rowid, texts) SELECT 'delete', number, {old} FROM "{0}_number" WHERE id = OLD.id;
  DELETE FROM "{0}_number" WHERE id = OLD.id;
  INSERT INTO "{0}_gone" (number) VALUES (NULL);
END""",
    "{0}_update": """CREATE TRIGGER "{0}_update" AFTER UPDATE OF {columns} ON "{1}" WHEN {old} <> {new} BEGIN
  INSERT INTO "{0}" ("{0}", rowid, texts) SELECT 'delete', number, {old} FROM "{0}_number" WHERE id = OLD.id;
  INSERT INTO "{0}" (rowid, texts) SELECT number, {new} FROM "{0}_number" WHERE id = NEW.id;
END""",
}
"""Names of tables and triggers, and how each is made."""

FILL = (
    'INSERT INTO "{0}_number" (id) SELECT id FROM "{1}" ORDER BY id',
    'INSERT INTO "{0}" (rowid, texts) SELECT number, {plain} FROM "{0}_number" JOIN "{1}" USING (id) ORDER BY number',
)


def _joined(columns: Sequence[str], row: str = "") -> str:
    return " || char(10) || ".join(f'{row}"{column}"' for column in columns)


def _written(texts: Texts, statement: str) -> str:
    return statement.format(
        texts.name,
        texts.table,
        plain=_joined(texts.columns),
        new=_joined(texts.columns, "NEW."),
        old=_joined(texts.columns, "OLD."),
        columns=", ".join(f'"{column}"' for column in texts.columns),
    )


def _wanted(texts: Texts) -> dict[str, str]:
    return {name.format(texts.name): _written(texts, statement) for name, statement in OBJECTS.items()}


def _there(texts: Texts, connection: BaseDatabaseWrapper) -> dict[str, str]:
    names = list(_wanted(texts))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT name, sql FROM sqlite_master WHERE name IN ({', '.join(['%s'] * len(names))})",  # noqa: S608
            names,
        )
        return dict(cursor.fetchall())


def ensure(texts: Texts, connection: BaseDatabaseWrapper) -> None:
    """Make tables and triggers and fill them, all or none; anew where one is missing or another.

    Where Django changes a table of SQLite, it makes a new one, which has no triggers.
    """
    wanted = _wanted(texts)
    if _there(texts, connection) == wanted:
        return
    try:
        with transaction.atomic(connection.alias), connection.cursor() as cursor:
            _remove(texts, connection)
            for statement in (*wanted.values(), *(_written(texts, fill) for fill in FILL)):
                cursor.execute(statement)
    except DatabaseError as error:
        if "no such module" not in str(error) and "no such tokenizer" not in str(error):
            raise
        raise Unavailable(f"no index of parts: {error}") from error


def drop(texts: Texts, connection: BaseDatabaseWrapper) -> None:
    """Remove tables and triggers."""
    with transaction.atomic(connection.alias):
        _remove(texts, connection)


def _remove(texts: Texts, connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        for name, sql in reversed(_there(texts, connection).items()):
            kind = "TRIGGER" if sql.startswith("CREATE TRIGGER") else "TABLE"
            cursor.execute(f'DROP {kind} "{name}"')


def known(texts: Texts, connection: BaseDatabaseWrapper) -> Known | None:
    """Return that any letter will do, if nothing is missing."""
    return is_letter if _there(texts, connection) == _wanted(texts) else None


def terms(spellings: Sequence[str], known: Known) -> dict[str, str | None]:
    """Return FTS5's expression for the spellings, every three characters in quotes: none of them is its syntax."""
    different = dict.fromkeys(spelling for spelling in spellings if has_letters(spelling, known))
    return {"part": " OR ".join(f"({_all_of(spelling)})" for spelling in different) or None}


def _all_of(spelling: str) -> str:
    ends = range(LETTERS, len(spelling) + 1)
    threes = dict.fromkeys(spelling[end - LETTERS : end] for end in ends)
    return " AND ".join('"' + three.replace('"', '""') + '"' for three in threes)


def condition(texts: Texts, key: str, columns: Sequence[str], limit: int | None) -> str:
    """Return the look-up of the first `limit` numbers, and of whose they are."""
    # An empty phrase is in no text; NULL would be an error.
    found = f'SELECT rowid FROM "{texts.name}" WHERE "{texts.name}" MATCH coalesce(%s, \'""\')'  # noqa: S608
    found += f" LIMIT {limit}" if limit else ""
    return f'{key} IN (SELECT id FROM "{texts.name}_number" WHERE number IN ({found}))'  # noqa: S608


def tidy(texts: Texts, connection: BaseDatabaseWrapper) -> bool:
    """Merge some of the index; when all is in one piece, nothing is left of what was deleted before it began.

    FTS5 deletes by adding that something is gone: the old entries stay until both are merged. (From SQLite 3.42 it can
    delete at once; those who have an older one need this in any case.)
    """
    name = texts.name
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT max(number) FROM "{name}_gone"')  # noqa: S608
        [[last]] = cursor.fetchall()
        if last is None:
            return False
        before = _changes(cursor)
        cursor.execute(f'INSERT INTO "{name}" ("{name}", rank) VALUES (\'merge\', %s)', [-MERGED])  # noqa: S608
        if _changes(cursor) - before >= 2:  # as FTS5's documentation tells whether it has done anything
            return True
        cursor.execute(f'DELETE FROM "{name}_gone" WHERE number <= %s', [last])  # noqa: S608
    return False


def _changes(cursor: object) -> int:
    cursor.execute("SELECT total_changes()")  # type: ignore[attr-defined]
    return int(cursor.fetchall()[0][0])  # type: ignore[attr-defined]
