"""A serializer's declared fields as one JSON expression, so that writes, OpenAPI and reads share one shape."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import (
    DecimalField,
    F,
    FloatField,
    Func,
    IntegerField,
    ManyToOneRel,
    Model,
    OuterRef,
    Subquery,
    TextField,
    Value,
)
from rest_framework import serializers as drf
from rest_framework.settings import api_settings

from populace.infra.db.compiled import Param
from populace.infra.db.mariadb.concatenated import concatenated

type AnyField = drf.Field[Any, Any, Any, Any]
type AnySerializer = drf.Serializer[Any]
type AnyList = drf.ListSerializer[Any]

DATETIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


class Shape(NamedTuple):
    """How each engine prints a kind of value as JSON; {0} stands for the value."""

    postgresql: str
    sqlite: str
    mysql: str  # as Django calls MariaDB


# SQLite has neither booleans, times, UUIDs nor JSON of its own: Django stores 0 and 1, text, 32 hex digits and text.
# MariaDB has times and UUIDs; the rest is numbers and text there, too.
SHAPES = {
    "plain": Shape("{0}", "{0}", "{0}"),
    "boolean": Shape(
        "{0}",
        "JSON(CASE {0} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)",
        "CASE {0} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END",
    ),
    "datetime": Shape(
        "TO_CHAR({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
        "SUBSTR(REPLACE({0}, ' ', 'T') || '.000000', 1, 26) || 'Z'",  # whole seconds are stored without a fraction
        "CONCAT(REPLACE({0}, ' ', 'T'), 'Z')",
    ),
    "json": Shape("{0}", "JSON({0})", "{0}"),
    "uuid": Shape(
        "{0}",
        " || '-' || ".join(f"SUBSTR({{0}}, {a}, {n})" for a, n in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))),
        "CAST({0} AS CHAR)",
    ),
    "string": Shape("TO_JSON({0})", "JSON_QUOTE({0})", "JSON_QUOTE({0})"),  # text that stands by itself in an array
    # Words with a blank between, none of which needs escaping, as an array.
    "words": Shape(
        "TO_JSON(STRING_TO_ARRAY({0}, ' '))",
        "JSON('[\"' || REPLACE({0}, ' ', '\",\"') || '\"]')",
        "CONCAT('[\"', REPLACE({0}, ' ', '\",\"'), '\"]') COLLATE utf8mb4_bin",  # as what JSON_QUOTE returns
    ),
    "object": Shape("CONCAT({0})", "JSON_OBJECT({0})", "CONCAT({0})"),
}
JSON_ALREADY = {"json", "object", "string", "words"}
"""Kinds that PostgreSQL and MariaDB print as JSON; the others become JSON where they stand in an object."""
UNESCAPED = {"uuid", "datetime"}
"""Kinds whose text needs quotes and nothing else."""

KINDS: dict[type, str] = {
    drf.CharField: "plain",
    drf.EmailField: "plain",
    drf.RegexField: "plain",
    drf.SlugField: "plain",
    drf.URLField: "plain",
    drf.ChoiceField: "plain",
    drf.IntegerField: "plain",
    drf.BigIntegerField: "plain",
    drf.BooleanField: "boolean",
    drf.DateTimeField: "datetime",
    drf.JSONField: "json",
    drf.UUIDField: "uuid",
}


class Json(Func):
    """A value printed as one kind of JSON value."""

    output_field = TextField()

    def __init__(self, kind: str, *expressions: Any, certain: bool = False) -> None:
        super().__init__(*expressions)
        self.kind = kind
        self.certain = certain  # never NULL

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:  # type: ignore[override]
        """Compile to the engine's shape; the value's parameters are repeated as often as the value."""
        shape: str = getattr(SHAPES[self.kind], connection.vendor)
        expressions = self.source_expressions
        if self.kind == "object" and connection.vendor != "sqlite":
            expressions = pieces(expressions)
        compiled = [compiler.compile(expression) for expression in expressions]
        params = [param for _, own in compiled for param in own]
        return shape.format(", ".join(sql for sql, _ in compiled)), params * shape.count("{0}")


class Printed(Func):
    """A value of an object as JSON on PostgreSQL and MariaDB; the text `null` where it may be NULL and is."""

    output_field = TextField()

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:  # type: ignore[override]
        """Compile to the text of the value."""
        value: Any = self.source_expressions[0]
        sql, params = compiler.compile(value)
        made = sql if value.kind in JSON_ALREADY else f"TO_JSON({sql})"
        return (made if value.certain else f"COALESCE(({made})::text, 'null')"), params

    def as_mysql(self, compiler: Any, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:
        """Compile to the text of the value: numbers and booleans are JSON as they are."""
        value: Any = self.source_expressions[0]
        sql, params = compiler.compile(value)
        quoted = value.kind in UNESCAPED or (value.kind == "plain" and not is_number(value.source_expressions[0]))
        made = f"JSON_QUOTE({sql})" if quoted else sql
        return (made if value.certain else f"COALESCE({made}, 'null')"), params


def is_number(expression: Any) -> bool:
    """Tell whether a value is a number."""
    column = expression.output_field
    return isinstance(column, (IntegerField, FloatField, DecimalField))


def pieces(pairs: Sequence[Any]) -> list[Any]:
    """Return the texts and values that an object of (name, value, name, value, …) is put together from.

    PostgreSQL's own JSON_BUILD_OBJECT looks up how to print each value's type anew for every row; MariaDB's
    JSON_OBJECT puts blanks between.
    """
    found: list[Any] = []
    before = "{"
    for name, value in zip(pairs[::2], pairs[1::2], strict=True):
        quote = '"' if value.certain and value.kind in UNESCAPED else ""
        found += [Value(f'{before}"{name.value}":{quote}', TextField()), value if quote else Printed(value)]
        before = f"{quote},"
    return [*found, Value(f"{before[:-1]}}}" if found else "{}", TextField())]


class JsonArray(Subquery):
    """The column `item` of a queryset, in its order, as one JSON array."""

    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: BaseDatabaseWrapper) -> Any:
        """Compile to an array of the ordered rows, which takes fewer steps than an aggregate."""
        template = "('[' || ARRAY_TO_STRING(ARRAY(%(subquery)s), ',') || ']')"
        return self.as_sql(compiler, connection, template=template)

    def as_sqlite(self, compiler: Any, connection: BaseDatabaseWrapper) -> Any:
        """Compile to an aggregate over the ordered rows: ORDER BY inside an aggregate is younger than our SQLite."""
        template = "(SELECT JSON_GROUP_ARRAY(JSON(item)) FROM (%(subquery)s) AS items)"
        return self.as_sql(compiler, connection, template=template)

    def as_mysql(self, compiler: Any, connection: BaseDatabaseWrapper) -> Any:
        """Compile to an aggregate in the subquery itself."""
        sql, params = concatenated(self, "','", compiler, connection)
        return f"CONCAT('[', COALESCE({sql}, ''), ']')", params


def document(serializer: type[AnySerializer], owner: Param | None = None) -> Json:
    """Return the JSON object expression that equals the serializer's output for a row of `Meta.model`.

    `Meta.document = {field: (kind, expression)}` says what a method field shows; kinds are the keys of SHAPES. Nested
    lists come in the order of their `id`. With `owner`, the parameter that holds the row's id, each nested list names
    it too, so that a sharded engine asks one shard; without it (list pages) nested lists correlate with the row.

    Raises ImproperlyConfigured for a field that has no document form. What it cannot see, such as a CharField over a
    number column, only the test finds that compares both on random rows.
    """
    return object_of(serializer(), serializer.Meta.model, owner)  # type: ignore[attr-defined]


def object_of(serializer: AnySerializer, model: type[Model], owner: Param | None) -> Json:
    """Return the object expression of a serializer instance over `model`."""
    pairs: list[Any] = []
    for name, value in members(serializer, model, owner):
        pairs += [Value(name), value]
    return Json("object", *pairs)


def members(
    serializer: AnySerializer, model: type[Model], owner: Param | None, names: Collection[str] | None = None
) -> Iterator[tuple[str, Json]]:
    """Yield the name and the expression of each field, or of those that are named."""
    if type(serializer).to_representation is not drf.Serializer.to_representation:
        raise ImproperlyConfigured(f"{type(serializer).__name__} makes its own representation")
    special: Mapping[str, tuple[str, Any]] = getattr(getattr(serializer, "Meta", None), "document", {})
    for name, field in serializer.fields.items():
        if field.write_only or (names is not None and name not in names):
            continue
        yield name, Json(*special[name]) if name in special else member(field, model, owner)


def member(field: AnyField, model: type[Model], owner: Param | None) -> Json:
    """Return the expression of one declared field."""
    if isinstance(field, drf.ListSerializer):
        return Json("json", items(field, model, owner), certain=True)
    kind = kind_of(field)
    if kind is None or field.source == "*":
        raise ImproperlyConfigured(f"{field.field_name}: {type(field).__name__} has no document form")
    if (
        isinstance(field, drf.DateTimeField)
        and getattr(field, "format", api_settings.DATETIME_FORMAT) != DATETIME_FORMAT
    ):
        raise ImproperlyConfigured(f"{field.field_name}: times are shown as {DATETIME_FORMAT}")
    return Json(kind, path_of(field), certain=is_certain(model, field.source_attrs))


def is_certain(model: type[Model], path: Sequence[str]) -> bool:
    """Tell whether a column, maybe of a related row, is never NULL."""
    column: Any = None
    for name in path:
        column = model._meta.get_field(name)
        if getattr(column, "null", True):
            return False
        model = column.related_model or model
    return True


def kind_of(field: AnyField) -> str | None:
    """Return the kind of the class of KINDS that `field` inherits its output from; None if it prints its own way."""
    for base in type(field).__mro__:
        if base in KINDS:
            return KINDS[base]
        if "to_representation" in vars(base):
            break
    return None


def path_of(field: AnyField) -> F:
    """Return the column, maybe of a related row, that a field shows."""
    return F("__".join(field.source_attrs))


def items(field: AnyList, model: type[Model], owner: Param | None) -> JsonArray:
    """Return the array of a row's children, found by the reverse of their foreign key."""
    relation = model._meta.get_field(field.source or "")
    if not isinstance(relation, ManyToOneRel):
        raise ImproperlyConfigured(f"{field.field_name}: {field.source} is not the reverse of a foreign key")
    shown: Any = field.child
    if "id" not in shown.fields:
        raise ImproperlyConfigured(f"{field.field_name}: without an id it has no order")
    child = relation.related_model
    rows = child._default_manager.filter(**{relation.field.attname: owner or OuterRef("pk")})
    rows = rows.order_by(path_of(shown.fields["id"]))
    return JsonArray(rows.annotate(item=object_of(shown, child, None)).values("item"))
