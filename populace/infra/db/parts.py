"""Texts that contain a word: an index kept by the engine's own means, of every three letters in a row or of beginnings.

It stands beside the migrations, not in them: it can be switched off, and a database may refuse it. So `ensure` makes or
heals it after they have run, and whoever asks looks first whether it is there: without it, the condition would read
every row.
"""

from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, F, Func, Lookup, TextField

from populace.infra.db import parts_mariadb, parts_postgresql, parts_sqlite
from populace.infra.db.parts_terms import Engine, Known, Texts

ENGINES: Mapping[str, Engine] = {"postgresql": parts_postgresql, "mysql": parts_mariadb, "sqlite": parts_sqlite}
"""By vendor. Elsewhere there is no such index, and `available` says so."""

KEPT_S = 60
"""Seconds that a process believes what it saw of an index."""

_seen: dict[tuple[str, str], tuple[float, Known | None]] = {}


class Whole(Func):
    """All columns of a row in one text, with line breaks between, which no word has."""

    arg_joiner = " || chr(10) || "
    template = "(%(expressions)s)"

    def __init__(self, *columns: Any) -> None:
        super().__init__(*columns, output_field=TextField())

    def as_sqlite(self, compiler: Any, connection: BaseDatabaseWrapper, **extra: Any) -> Any:
        """Compile with SQLite's name for a character by its number."""
        return self.as_sql(compiler, connection, arg_joiner=" || char(10) || ", **extra)

    def as_mysql(self, compiler: Any, connection: BaseDatabaseWrapper, **extra: Any) -> Any:
        """Compile with MariaDB's function, where `||` is no operator of texts."""
        return self.as_sql(compiler, connection, arg_joiner=", ", template="CONCAT_WS('\n', %(expressions)s)", **extra)


class Contains(Func):
    """Whether a text contains another: read from the row, never by an index. Every letter stands for itself."""

    function = "STRPOS"
    template = "%(function)s(%(expressions)s) > 0"

    def __init__(self, text: Any, part: Any) -> None:
        super().__init__(text, part, output_field=BooleanField())

    def as_sqlite(self, compiler: Any, connection: BaseDatabaseWrapper, **extra: Any) -> Any:
        """Compile to SQLite's function, and MariaDB's."""
        return self.as_sql(compiler, connection, function="INSTR", **extra)

    as_mysql = as_sqlite


class Holds(Lookup):
    """Whether the index finds a row by these values of the engine's PARAMS; the row may still not have the word.

    A lookup, because a function would be compared with TRUE, and then SQLite reads every row.
    """

    prepare_rhs = False

    def __init__(self, texts: Texts, values: Mapping[str, Any], limit: int | None = None) -> None:
        super().__init__(Func(F("id"), *map(F, texts.columns), output_field=TextField()), tuple(values.items()))
        self.texts, self.limit = texts, limit

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> Any:
        """Compile to the engine's condition."""
        engine, values = ENGINES[connection.vendor], dict(self.rhs)
        key, *columns = (compiler.compile(column)[0] for column in self.lhs.get_source_expressions())
        sql = engine.condition(self.texts, key, columns, self.limit)
        return sql, tuple(values[name] for name in engine.PARAMS)


class Parts:
    """The index of parts of a table's texts."""

    def __init__(self, texts: Texts) -> None:
        self.texts = texts
        self.whole = Whole(*map(F, texts.columns))

    def ensure(self, using: str = DEFAULT_DB_ALIAS) -> None:
        """Make the index, or anew what was left half made; does nothing twice. Raises Unavailable.

        `using` names a role that owns the table, outside any transaction.
        """
        connection = connections[using]
        if engine := ENGINES.get(connection.vendor):
            engine.ensure(self.texts, connection)
        _seen.clear()

    def drop(self, using: str = DEFAULT_DB_ALIAS) -> None:
        """Remove the index, if it is there; processes that use it notice within KEPT_S."""
        connection = connections[using]
        _seen.clear()
        if engine := ENGINES.get(connection.vendor):
            engine.drop(self.texts, connection)

    def possible(self, connection: BaseDatabaseWrapper) -> bool:
        """Tell whether this engine can have one."""
        return connection.vendor in ENGINES

    def available(self, connection: BaseDatabaseWrapper) -> bool:
        """Tell whether the index is there and whole."""
        return self._known(connection) is not None

    def eager(self, connection: BaseDatabaseWrapper) -> bool:
        """Tell whether a look-up costs as much as all it could find, however few are asked for."""
        return ENGINES[connection.vendor].EAGER

    def params(self, connection: BaseDatabaseWrapper) -> tuple[str, ...]:
        """Return the names of the values that `terms` gives."""
        return ENGINES[connection.vendor].PARAMS

    def terms(self, connection: BaseDatabaseWrapper, spellings: Sequence[str]) -> dict[str, str | None]:
        """Return the values by which Holds finds the rows with a word in any of these spellings.

        All are None, which finds nobody, where no spelling has three letters in a row that the index keeps.
        """
        known = self._known(connection)
        engine = ENGINES[connection.vendor]
        return engine.terms(spellings, known) if known else dict.fromkeys(engine.PARAMS)

    def tidy(self, connection: BaseDatabaseWrapper) -> bool:
        """Remove from the index some of what deletions left in it; tell whether there is more."""
        engine = ENGINES.get(connection.vendor)
        return bool(engine and self.available(connection) and engine.tidy(self.texts, connection))

    def _known(self, connection: BaseDatabaseWrapper) -> Known | None:
        key = connection.alias, self.texts.name
        until, known = _seen.get(key, (0.0, None))
        if monotonic() >= until:
            engine = ENGINES.get(connection.vendor)
            known = engine.known(self.texts, connection) if engine else None
            _seen[key] = monotonic() + KEPT_S, known
        return known
