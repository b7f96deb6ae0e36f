"""PostgreSQL's index of parts: pg_trgm in a GIN index over the texts in one.

LIKE, because with a generic plan this operator alone takes its pattern as a parameter and is answered from the index.
pg_trgm keeps only letters and digits, those that the database's LC_CTYPE knows (for "C" those of ASCII). For a pattern
without three of them in a row it would read the index from end to end, and then the table: such a one is never sent.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from populace.infra.db.parts_terms import Known, Texts, Unavailable, has_letters, is_ascii_letter, is_letter
from populace.infra.db.wire import answering

EAGER = True  # a bitmap is made whole before its first row is read
PARAMS: tuple[str, ...] = ("part", "part1", "part2")

STATE = """
SELECT indisvalid, EXISTS (SELECT FROM pg_stat_progress_create_index WHERE index_relid = indexrelid)
FROM pg_index WHERE indexrelid = to_regclass(%s)
"""
# What [[:alpha:]] matches is what pg_trgm takes for letters: both ask the database's own LC_CTYPE.
KNOWN = "SELECT 'ä' ~ '[[:alpha:]]' FROM pg_index WHERE indexrelid = to_regclass(%s) AND indisvalid"

# New entries wait in a list, which whoever makes it too long merges: for many rows at once, much cheaper than for each.
# Every look-up reads the list from end to end, so it is kept short: the server's 4 MB would cost more than the rest.
PENDING_KB = 256

_special = re.compile(r"[\\%_]")


def ensure(texts: Texts, connection: BaseDatabaseWrapper) -> None:
    """Build the index beside running writes, however long that takes; what a killed build left goes first."""
    with _unlimited(connection) as cursor:
        _extend(cursor)
        cursor.execute(STATE, [texts.name])
        for valid, building in cursor.fetchall():
            if valid:
                return
            if building:
                raise Unavailable("another process is building the index of parts")
            cursor.execute(_dropped(texts, connection))  # under the same limits: drop() would put the usual ones back
        quote = connection.ops.quote_name
        whole = " || chr(10) || ".join(map(quote, texts.columns))
        try:
            cursor.execute(
                f"CREATE INDEX CONCURRENTLY {quote(texts.name)} ON {quote(texts.table)}"
                f" USING gin (({whole}) gin_trgm_ops) WITH (fastupdate = on, gin_pending_list_limit = {PENDING_KB})"
            )
        except DatabaseError as error:
            raise Unavailable(f"no index of parts: {_line(error)}") from error


def drop(texts: Texts, connection: BaseDatabaseWrapper) -> None:
    """Remove the index beside running reads; the extension stays, others may use it."""
    with _unlimited(connection) as cursor:
        cursor.execute(_dropped(texts, connection))


def _dropped(texts: Texts, connection: BaseDatabaseWrapper) -> str:
    return f"DROP INDEX CONCURRENTLY IF EXISTS {connection.ops.quote_name(texts.name)}"


def known(texts: Texts, connection: BaseDatabaseWrapper) -> Known | None:
    """Return what the database takes for letters, if its index is valid."""
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, [texts.name])
        rows = cursor.fetchall()
    if not rows:
        return None
    return is_letter if rows[0][0] else is_ascii_letter


def terms(spellings: Sequence[str], known: Known) -> dict[str, str | None]:
    """Return a pattern for each different spelling; NULL, which LIKE matches to nothing at no cost, for the rest."""
    different = dict.fromkeys(spelling for spelling in spellings if has_letters(spelling, known))
    patterns: list[str | None] = ["%" + _special.sub(r"\\\g<0>", spelling) + "%" for spelling in different]
    patterns += [None] * (len(PARAMS) - len(patterns))
    return dict(zip(PARAMS, patterns, strict=True))


def condition(texts: Texts, key: str, columns: Sequence[str], limit: int | None) -> str:
    """Return the comparison with each pattern, of exactly the expression that is indexed."""
    whole = " || chr(10) || ".join(columns)
    return "(" + " OR ".join(f"({whole}) LIKE %s" for _ in PARAMS) + ")"


def tidy(texts: Texts, connection: BaseDatabaseWrapper) -> bool:
    """Do nothing: VACUUM removes what is left of a deleted row, here as from every index."""
    return False


def _extend(cursor: Any) -> None:
    """Make pg_trgm known; raises Unavailable. Since PostgreSQL 13 whoever may create in the database may do this."""
    cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'")
    if cursor.fetchall():
        return
    try:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except DatabaseError as error:
        raise Unavailable(f"no extension pg_trgm: {_line(error)}") from error


def _line(error: DatabaseError) -> str:
    return str(error).partition("\n")[0]


@contextmanager
def _unlimited(connection: BaseDatabaseWrapper) -> Iterator[Any]:
    """Hold a block whose statements may run and wait for long, so need no second try: they stop nobody meanwhile."""
    limits = ("statement_timeout", "lock_timeout")
    with answering(connection, float("inf")), connection.cursor() as cursor:
        for limit in limits:
            cursor.execute(f"SET {limit} = 0")
        try:
            yield cursor
        finally:
            with suppress(DatabaseError):  # a connection that is lost has taken its limits along
                for limit in limits:
                    cursor.execute(f"RESET {limit}")
