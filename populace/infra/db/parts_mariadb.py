"""MariaDB's index of parts: a table of where words begin in a row's texts, kept by triggers.

It finds what begins inside of a text, not what stands in the middle of a word: for that MariaDB itself has nothing.
Its FULLTEXT finds no more than this, gathers all it could find in memory, and keeps what was deleted (docs/decisions).
Here a look-up reads a range of a B-tree, as far as its bound, and who is gone is gone with the transaction.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from populace.infra.db.lookups import prefix_bounds
from populace.infra.db.mariadb.errors import FORBIDDEN, LOCK_TIMEOUT, number_of
from populace.infra.db.mariadb.limits import unlimited
from populace.infra.db.parts_terms import Known, Texts, Unavailable, has_letters, is_letter

EAGER = False  # entries are read one by one
PARAMS: tuple[str, ...] = ("part_low", "part_high", "part_low1", "part_high1", "part_low2", "part_high2")
KEPT = 32  # characters of an entry: what begins alike so far is told apart by the row
FILLED = 1000  # people whose rows one step of the first filling locks: the time that who changes them waits

LIST = (
    "REGEXP_REPLACE(CONCAT_WS('\n', {columns}), '(?=(.{{1,{kept}}}))[[:alnum:]]+[^[:alnum:]]*|^[^[:alnum:]]+',"
    " CONCAT(CHAR(92 USING utf8mb4), '1\n'))"
)
"""Each word with what follows it in its text, cut short, on a line of its own: `ann.lee` gives `ann.lee` and `lee`."""

EACH = "WHILE {list} <> '' DO {what}; SET {list} = SUBSTRING({list}, LOCATE('\n', {list}) + 1); END WHILE;"
ADD = EACH.format(
    list="{list}", what="INSERT IGNORE INTO `{0}` (word, id) VALUES (SUBSTRING_INDEX({list}, '\n', 1), {id})"
)
REMOVE = EACH.format(
    list="{list}", what="DELETE FROM `{0}` WHERE word = SUBSTRING_INDEX({list}, '\n', 1) AND id = {id}"
)

TEXT = "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"  # else it would be of the database's, latin1 perhaps

TABLE = (
    "CREATE TABLE `{0}` (word varchar({kept}) NOT NULL, id uuid NOT NULL, PRIMARY KEY (word, id))"
    " ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"
)
# In this order: of whom the insertion is noted, every later change is, too.
TRIGGERS = {
    "{0}_update": "CREATE TRIGGER `{0}_update` AFTER UPDATE ON `{1}` FOR EACH ROW IF NOT ({same}) THEN BEGIN"
    f" DECLARE gone {TEXT} DEFAULT {{old}}; DECLARE list {TEXT} DEFAULT {{new}};"
    f" {REMOVE.format('{0}', list='gone', id='OLD.id')} {ADD.format('{0}', list='list', id='NEW.id')} END; END IF",
    "{0}_delete": "CREATE TRIGGER `{0}_delete` AFTER DELETE ON `{1}` FOR EACH ROW BEGIN"
    f" DECLARE list {TEXT} DEFAULT {{old}}; {REMOVE.format('{0}', list='list', id='OLD.id')} END",
    "{0}_insert": "CREATE TRIGGER `{0}_insert` AFTER INSERT ON `{1}` FOR EACH ROW BEGIN"
    f" DECLARE list {TEXT} DEFAULT {{new}}; {ADD.format('{0}', list='list', id='NEW.id')} END",
}
PEOPLE = "SELECT id, {plain} AS words FROM `{1}` WHERE id > '{after}' AND id <= '{last}' FOR UPDATE"
FILL = (
    f"BEGIN NOT ATOMIC DECLARE list {TEXT}; FOR person IN ({PEOPLE}) DO"
    f" SET list = person.words; {ADD.format('{0}', list='list', id='person.id')} END FOR; END"
)

WHOLE = "filled"  # the table's comment, once it is
STATE = """
SELECT table_comment, (SELECT count(*) FROM information_schema.triggers WHERE trigger_schema = DATABASE()
    AND event_object_table = %s AND trigger_name IN (%s, %s, %s))
FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = %s
"""


def _written(texts: Texts, statement: str, **bounds: str) -> str:
    def listed(row: str = "") -> str:
        return LIST.format(columns=", ".join(f"{row}`{column}`" for column in texts.columns), kept=KEPT)

    return statement.format(
        texts.name,
        texts.table,
        plain=listed(),
        new=listed("NEW."),
        old=listed("OLD."),
        same=" AND ".join(f"OLD.`{column}` = NEW.`{column}`" for column in texts.columns),
        kept=KEPT,
        **bounds,
    )


def ensure(texts: Texts, connection: BaseDatabaseWrapper) -> None:
    """Make table and triggers, and fill it beside running writes; anew where something is missing or half done."""
    with unlimited(connection), _alone(texts, connection), connection.cursor() as cursor:
        if known(texts, connection):
            return
        drop(texts, connection)
        try:
            for statement in (TABLE, *TRIGGERS.values()):
                cursor.execute(_written(texts, statement))
            _fill(texts, connection)
            cursor.execute(f"ALTER TABLE `{texts.name}` COMMENT = '{WHOLE}'")
        except DatabaseError as error:
            if number_of(error) not in (*FORBIDDEN, LOCK_TIMEOUT):
                raise
            drop(texts, connection)
            raise Unavailable(f"no index of parts: {error.args[1]}") from error


@contextmanager
def _alone(texts: Texts, connection: BaseDatabaseWrapper) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(CONCAT(DATABASE(), '.', %s), 0)", [texts.name])
        if cursor.fetchall() != ((1,),):
            raise Unavailable("another process is building the index of parts")
        try:
            yield
        finally:
            cursor.execute("SELECT RELEASE_LOCK(CONCAT(DATABASE(), '.', %s))", [texts.name])


def _fill(texts: Texts, connection: BaseDatabaseWrapper) -> None:
    """Add who was there before the triggers, some at a time, whose rows nobody changes meanwhile."""
    after = "00000000-0000-0000-0000-000000000000"
    while True:
        with transaction.atomic(connection.alias), connection.cursor() as cursor:
            few = f"SELECT id FROM `{texts.table}` WHERE id > %s ORDER BY id LIMIT {FILLED} FOR UPDATE"  # noqa: S608
            cursor.execute(few, [after])
            ids = cursor.fetchall()
            if not ids:
                return
            last = str(ids[-1][0])
            cursor.execute(_written(texts, FILL, after=after, last=last))
            after = last


def drop(texts: Texts, connection: BaseDatabaseWrapper) -> None:
    """Remove the triggers first: without its table they would refuse every write."""
    with connection.cursor() as cursor:
        for name in TRIGGERS:
            cursor.execute(f"DROP TRIGGER IF EXISTS `{name.format(texts.name)}`")
        cursor.execute(f"DROP TABLE IF EXISTS `{texts.name}`")


def known(texts: Texts, connection: BaseDatabaseWrapper) -> Known | None:
    """Return that any letter will do, if table and triggers are there and it has been filled."""
    with connection.cursor() as cursor:
        names = [name.format(texts.name) for name in TRIGGERS]
        cursor.execute(STATE, [texts.table, *names, texts.name])
        return is_letter if cursor.fetchall() == ((WHOLE, len(TRIGGERS)),) else None


def terms(spellings: Sequence[str], known: Known) -> dict[str, str | None]:
    """Return between which entries each different spelling lies, from its first letter on; NULL for the rest."""
    different = dict.fromkeys(spelling for spelling in spellings if has_letters(spelling, known))
    bounds: list[str | None] = [*chain.from_iterable(_bounds(spelling, known) for spelling in different)]
    bounds += [None] * (len(PARAMS) - len(bounds))
    return dict(zip(PARAMS, bounds, strict=True))


def _bounds(spelling: str, known: Known) -> tuple[str, str]:
    first = next(place for place, character in enumerate(spelling) if known(character))
    return prefix_bounds(spelling[first : first + KEPT])


def condition(texts: Texts, key: str, columns: Sequence[str], limit: int | None) -> str:
    """Return the look-up of the first `limit` people with an entry in one of the ranges."""
    ranges = " OR ".join("word >= %s AND word < %s" for _ in range(len(PARAMS) // 2))
    found = f"SELECT DISTINCT id FROM `{texts.name}` WHERE {ranges}"  # noqa: S608
    found += f" LIMIT {limit}" if limit else ""
    return f"{key} IN (SELECT id FROM ({found}) AS few)"  # noqa: S608 (a bound is taken in FROM only)


def tidy(texts: Texts, connection: BaseDatabaseWrapper) -> bool:
    """Do nothing: InnoDB removes by itself what was deleted."""
    return False
