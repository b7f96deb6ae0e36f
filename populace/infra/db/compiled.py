"""Reads compiled once: an ordinary queryset becomes one prepared statement that returns bytes.

    USER = Compiled(User.objects.filter(pk=Param("id", User.id.field)).values_list(document(UserDocument)))
    USER.one(id=user_id) -> b'{"id": …}' or None

The ORM stays the source of truth for the query, the serializer for the shape; nothing of either runs per request. On
PostgreSQL the statement goes to psycopg on Django's own connection, so it shares the transaction, and constants are
written into the text, so that generic plans may use partial indexes. Other engines go through Django's cursor.
"""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from django.core.exceptions import FieldError
from django.db import InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import (
    BigIntegerField,
    BooleanField,
    CharField,
    DateTimeField,
    Field,
    IntegerField,
    QuerySet,
    UUIDField,
    Value,
)
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult
from psycopg.sql import Literal

from populace.infra.db.wire import Connection

type AnyField = Field[Any, Any]  # aliases of this kind are lazy: Django's own classes take no brackets
type Row = tuple[bytes | None, ...]
"""A row's columns as text: booleans are t and f, UUIDs have dashes, NULL is None."""

INT64 = range(-(1 << 63), 1 << 63)

NATIVE: dict[type[Any], tuple[type, ...]] = {UUIDField: (UUID,), CharField: (str,), DateTimeField: (datetime, str)}
"""Of which columns PostgreSQL takes which values without a word of Django's."""


def bare_type(column: AnyField, connection: BaseDatabaseWrapper) -> str:
    """Return the column's type without its length: a cast to varchar(n) would cut silently, where storing raises."""
    return (column.cast_db_type(connection) or "").partition("(")[0]


class Param(Value):
    """A value that is given at run time by `name`, adapted as `column` would adapt it."""

    def __init__(self, name: str, column: AnyField) -> None:
        while column.is_relation:
            column = column.target_field  # type: ignore[attr-defined]
        # Plain numbers would go out as int2, int4 or int8 by their size: three statements, not one.
        super().__init__(name, BigIntegerField() if isinstance(column, IntegerField) else column)

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        """Compile to a placeholder with the parameter itself in place of a value."""
        return "%s", (self,)

    def as_sqlite(self, compiler: Any, connection: BaseDatabaseWrapper, **extra: Any) -> Any:
        """Compile as everywhere else: Value has another way here."""
        return self.as_sql(compiler, connection)

    def adapt(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        """Return what the driver takes for `value`; raises ValueError for a number no column can hold."""
        if isinstance(self.output_field, IntegerField) and int(value) not in INT64:
            raise ValueError(f"{self.value} is out of range")
        return self.output_field.get_db_prep_value(value, connection)

    def native(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        """Return what psycopg takes: UUIDs and texts as they are, times as text, which it writes for us in C."""
        kind = type(value)
        if kind in NATIVE.get(type(self.output_field), ()):
            return value.isoformat() if kind is datetime else value
        return self.adapt(value, connection)


class ListParam(Param):
    """The right-hand side of `__in`: one array, so that every length of list shares one statement."""

    def as_postgresql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        """Compile to a set of rows made from an array."""
        return f"(SELECT UNNEST(%s::{bare_type(self.output_field, connection)}[]))", (self,)

    def as_sqlite(self, compiler: Any, connection: BaseDatabaseWrapper, **extra: Any) -> Any:
        """Compile to a set of rows made from a JSON array."""
        return "(SELECT value FROM JSON_EACH(%s))", (self,)

    def adapt(self, value: Collection[Any], connection: BaseDatabaseWrapper) -> Any:
        """Return an array, or where there is none the text of a JSON array."""
        values = [super(ListParam, self).adapt(one, connection) for one in value]
        return values if connection.vendor == "postgresql" else json.dumps(values)

    native = adapt


class Prepared:
    """The statements that one PostgreSQL connection has prepared for us, sent without a cursor.

    That takes a third of the CPU of a new psycopg cursor, half of a kept one's (bench/statement.py): a cursor waits in
    Python and chooses a loader for each column, where we want the bytes as they come. Like it, this gives up the GIL
    while it waits.
    """

    MOST = 100  # statements a connection keeps, as psycopg does; the one not used for longest makes room

    def __init__(self, connection: Connection) -> None:
        self.wire = connection.wire
        self.pgconn: Any = connection.pgconn  # its protocol denies that a parameter may be None
        # Not the connection itself: this would then keep its own key in _prepared alive, and the connection open.
        self.transformer = Transformer(connection.adapters)
        self.names: dict[tuple[str, tuple[int, ...]], bytes] = {}
        self.made = 0

    def execute(self, text: str, args: Sequence[Any]) -> PGresult:
        """Run one statement on a connection that is in no transaction. Raises psycopg's errors."""
        params = self.transformer.dump_sequence(args, [PyFormat.AUTO] * len(args))
        key = text, self.transformer.types or ()
        wire = self.wire
        wire.waits[wire] = monotonic()  # so that watch.py may end it
        try:
            name = self.names.pop(key, None) or self.prepare(key)
            self.names[key] = name  # last in the order of use
            result = self.pgconn.exec_prepared(name, params, self.transformer.formats)
            if result.status == ExecStatus.FATAL_ERROR and self.forgets(result, name):
                name = self.names[key] = self.prepare(key)  # nothing has run
                result = self.pgconn.exec_prepared(name, params, self.transformer.formats)
            return self.checked(result)
        finally:
            wire.waits.pop(wire, None)

    def forgets(self, result: PGresult, name: bytes) -> bool:
        """Drop what can no longer be used after an error; tell whether to prepare it anew."""
        sqlstate = result.error_field(DiagnosticField.SQLSTATE)
        if sqlstate == b"26000":  # no such statement: a pooler or a rollback came in between, so none of the others
            self.names.clear()
        elif sqlstate == b"0A000":  # a change of schema: this plan must not change its result's type
            self.pgconn.close_prepared(name)
        return sqlstate in (b"26000", b"0A000")

    def prepare(self, key: tuple[str, tuple[int, ...]]) -> bytes:
        """Have the server parse a statement for these types; return its name."""
        if len(self.names) >= self.MOST:
            # Not by DEALLOCATE: a PgBouncer that keeps statements has given it a name of its own.
            self.pgconn.close_prepared(self.names.pop(next(iter(self.names))))
        self.made += 1
        name = f"populace_{self.made}".encode()  # never given twice
        self.checked(self.pgconn.prepare(name, key[0].encode(), key[1]))
        self.wire.waits[self.wire] = monotonic()  # that was answered; what follows is another wait
        return name

    def checked(self, result: PGresult) -> PGresult:
        """Return the result, or raise what the server or the broken connection says."""
        if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            return result
        if self.pgconn.status == ConnStatus.BAD:
            raise psycopg.OperationalError(self.pgconn.get_error_message())
        raise psycopg.errors.error_from_result(result)


_prepared: WeakKeyDictionary[Connection, Prepared] = WeakKeyDictionary()


def execute(connection: BaseDatabaseWrapper, text: str, args: Sequence[Any]) -> PGresult:
    """Send one statement with `$1`… to PostgreSQL, prepared; returns its rows undecoded.

    Whoever wraps or logs the connection's statements (tracing, assertNumQueries) sees it as any other. Raises
    Django's database errors. Not prepared where the connection's prepare_threshold is None (old PgBouncer).
    """
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    driver: Connection = connection.connection
    if connection.queries_logged or connection.execute_wrappers:
        return logged(connection, text, args)
    with connection.wrap_database_errors:
        # In a transaction psycopg may have to begin it first, and a rollback forgets what was prepared in it.
        if connection.in_atomic_block or not driver.autocommit or driver.prepare_threshold is None:
            cursor: Any = psycopg.RawCursor(driver).execute(text, args, prepare=True)
            return cursor.pgresult  # type: ignore[no-any-return]
        prepared = _prepared.get(driver)
        if prepared is None:
            prepared = _prepared[driver] = Prepared(driver)
        return prepared.execute(text, args)


def logged(connection: BaseDatabaseWrapper, text: str, args: Sequence[Any]) -> PGresult:
    """Send the statement through Django's cursor, so that wrappers and the query log see it."""
    cursor: Any = psycopg.RawCursor(connection.connection)  # parses nothing, decodes nothing
    wrap = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    wrap(cursor).execute(text, args)
    return cursor.pgresult  # type: ignore[no-any-return]


def read(connection: BaseDatabaseWrapper, text: str, args: Sequence[Any]) -> PGresult:
    """Send a reading statement, once more if the server closed the connection meanwhile."""
    try:
        return execute(connection, text, args)
    except (OperationalError, InterfaceError):
        held: Connection | None = connection.connection
        # One that we cut ourselves, since no answer came, would have the caller wait as long again.
        if connection.in_atomic_block or held is None or not held.closed or held.wire.cut:
            raise
        connection.close()
        return execute(connection, text, args)


def printer(expression: Any) -> Callable[[Any], bytes]:
    """Return how a selected value is printed on engines that know neither booleans nor UUIDs."""
    try:
        column = expression.output_field
    except FieldError:
        column = None
    while getattr(column, "is_relation", False):
        column = column.target_field
    if isinstance(column, BooleanField):
        return lambda value: b"t" if value else b"f"
    if isinstance(column, UUIDField):
        return lambda value: str(UUID(str(value))).encode()
    return lambda value: value if isinstance(value, bytes) else str(value).encode()


def numbered(pieces: Sequence[str], slots: Sequence[int], start: int) -> str:
    """Return a text of pieces with `$n` between them, counted from `start`."""
    marks = [*(f"${slot + start}" for slot in slots), ""]
    return "".join(part for pair in zip(pieces, marks, strict=True) for part in pair)


@dataclass(frozen=True, slots=True)
class Plan:
    """A statement as one engine takes it."""

    text: str  # with $1… for PostgreSQL, with %s elsewhere
    params: Sequence[Param]  # each once, in the order of $1…
    args: Sequence[Any] = ()  # elsewhere: a Param or a constant for each %s
    texts: Sequence[Callable[[Any], bytes]] = ()  # elsewhere: how each column is printed
    pieces: Sequence[str] = ()  # PostgreSQL: the text around its parameters
    slots: Sequence[int] = ()  # PostgreSQL: which parameter follows each piece


def native_plan(sql: str, args: Sequence[Any], connection: BaseDatabaseWrapper) -> Plan:
    """Return what PostgreSQL takes for the ORM's `sql`: constants written out, parameters numbered."""
    connection.ensure_connection()  # how a constant is quoted depends on the session
    first, *rest = (sql % (("\0",) * len(args))).split("\0")  # no SQL text holds a NUL
    names = list(dict.fromkeys(arg.value for arg in args if isinstance(arg, Param)))
    pieces, slots = [first], []
    for arg, text in zip(args, rest, strict=True):
        if isinstance(arg, Param):
            slots.append(names.index(arg.value))
            pieces.append(text)
        else:
            pieces[-1] += Literal(arg).as_string(connection.connection) + text
    return Plan(numbered(pieces, slots, 1), distinct(args), pieces=pieces, slots=slots)


def distinct(args: Sequence[Any]) -> list[Param]:
    """Return each parameter once, in order of appearance."""
    return list({arg.value: arg for arg in args if isinstance(arg, Param)}.values())


class Compiled:
    """A queryset whose Params are filled in at run time; compiled at its first use on each connection alias.

    `limits` names the page sizes that `limit=` may ask for. Each is a statement of its own, because PostgreSQL never
    chooses a generic plan for LIMIT $n, and psycopg keeps 100 statements a connection.
    """

    def __init__(self, queryset: QuerySet[Any, Any], *, limits: Collection[int] = ()) -> None:
        self.queryset = queryset
        self.limits = {None, *limits}
        self.plans: dict[tuple[str, int | None], Plan] = {}

    def plan(self, connection: BaseDatabaseWrapper, limit: int | None = None) -> Plan:
        """Return the statement for this connection's engine; raises ValueError for a limit that is not declared."""
        key = connection.alias, limit
        if (plan := self.plans.get(key)) is None:  # two threads may both compile, to equal plans
            plan = self.plans[key] = self.compile(connection, limit)
        return plan

    def compile(self, connection: BaseDatabaseWrapper, limit: int | None) -> Plan:
        """Let the ORM compile the queryset; costs about a millisecond."""
        if limit not in self.limits:
            raise ValueError(f"no statement for {limit} rows")
        compiler = self.queryset[:limit].query.get_compiler(connection.alias)
        sql, args = compiler.as_sql()
        if connection.vendor == "postgresql":
            return native_plan(sql, args, connection)
        return Plan(sql, distinct(args), args, [printer(expression) for expression, *_ in compiler.select])

    def native(self, connection: BaseDatabaseWrapper, start: int = 1) -> str:
        """Return the PostgreSQL text, its parameters numbered from `start`, to be part of a larger statement."""
        plan = self.plan(connection)
        return numbered(plan.pieces, plan.slots, start)

    def arguments(self, connection: BaseDatabaseWrapper, values: dict[str, Any], limit: int | None = None) -> list[Any]:
        """Return `values` as the driver takes them, in the text's order; raises TypeError if a name is wrong."""
        plan = self.plan(connection, limit)
        if len(values) != len(plan.params) or any(param.value not in values for param in plan.params):
            raise TypeError(f"takes {[param.value for param in plan.params]}, not {list(values)}")
        if connection.vendor == "postgresql":
            return [param.native(values[param.value], connection) for param in plan.params]
        by_name = {param.value: param.adapt(values[param.value], connection) for param in plan.params}
        return [by_name[arg.value] if isinstance(arg, Param) else arg for arg in plan.args]

    def result(self, values: dict[str, Any], limit: int | None = None, *, repeated: int = 0) -> list[Row]:
        """Run the statement with `values` on the connection that the router gives; return all rows.

        The first `repeated` columns say the same in each row: only the first row has them.
        """
        connection = connections[self.queryset.db]
        plan, args = self.plan(connection, limit), self.arguments(connection, values, limit)
        if connection.vendor == "postgresql":
            result = read(connection, plan.text, args)
            value, numbers = result.get_value, range(result.ntuples)
            columns = [[value(number, at) for number in numbers] for at in range(repeated, result.nfields)]
            found = list(zip(*columns, strict=True))
            return [(*[value(0, at) for at in range(repeated)], *found[0]), *found[1:]] if repeated and found else found
        with connection.cursor() as cursor:
            cursor.execute(plan.text, args)
            rows = [
                tuple(None if value is None else text(value) for text, value in zip(plan.texts, row, strict=True))
                for row in cursor.fetchall()
            ]
        return [*rows[:1], *(row[repeated:] for row in rows[1:])]

    def one(self, **values: Any) -> bytes | None:
        """Return the first column of the first row; None if there is no row, or NULL in it."""
        rows = self.result(values)
        return rows[0][0] if rows else None

    def row(self, **values: Any) -> Row | None:
        """Return the first row, None if there is none."""
        rows = self.result(values)
        return rows[0] if rows else None

    def all(self, *, limit: int | None = None, **values: Any) -> list[bytes]:
        """Return the first column of every row, at most `limit` rows; the column must not be nullable."""
        return [row[0] or b"" for row in self.result(values, limit)]

    def array(self, *, limit: int | None = None, **values: Any) -> bytes:
        """Return the first column of every row, each a document, as one JSON array."""
        return b"[" + b",".join(self.all(limit=limit, **values)) + b"]"
