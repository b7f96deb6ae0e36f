"""Conditions that one b-tree answers on every engine: where the next page begins, and what begins with a prefix."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, ExpressionWrapper, F, Q
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.db.models.lookups import Exact, GreaterThan, GreaterThanOrEqual, LessThan, LessThanOrEqual
from django.db.models.sql.where import AND, OR, WhereNode

from populace.infra.db.compiled import Param, bare_type
from populace.infra.db.mariadb.partial import holds

LAST = "\U0010ffff"  # no character is greater, in code points as in UTF-8 bytes


def expanded(columns: Any, values: Any, strictly: Any, loosely: Any) -> WhereNode:
    """Return `a <= x AND (a < x OR a = x AND rest)`, of which MariaDB makes the ranges of an index that it walks.

    For a row comparison it reads from the index's beginning: 113,620 rows for a page where this reads 20. Without
    `a = x` it would read everybody before the place who has the same value: of NEVER that may be half of them.
    """
    (column, *more), (value, *others) = columns, values
    if not more:
        return WhereNode([strictly(column, value)])
    rest = expanded(more, others, strictly, loosely)
    equal: Any = Exact(column, value)
    either = WhereNode([strictly(column, value), WhereNode([equal, rest], AND)], OR)
    return WhereNode([loosely(column, value), either], AND)


class RowLess(TupleLessThan):
    def as_mysql(self, compiler: Any, connection: BaseDatabaseWrapper) -> Any:
        """Compile without a row comparison."""
        return expanded(self.lhs, self.rhs, LessThan, LessThanOrEqual).as_sql(compiler, connection)


class RowGreater(TupleGreaterThan):
    def as_mysql(self, compiler: Any, connection: BaseDatabaseWrapper) -> Any:
        """Compile without a row comparison."""
        return expanded(self.lhs, self.rhs, GreaterThan, GreaterThanOrEqual).as_sql(compiler, connection)


def after(columns: Mapping[str, Any], *, descending: bool) -> RowLess | RowGreater:
    """Return the condition for rows behind the row that has these values, in the order of exactly these columns.

    `columns` maps the fields of the order, the last of them unique, to values or Params; no column may be NULL. The
    order must be the same way in all columns: `descending` tells which.
    """
    lookup = RowLess if descending else RowGreater
    return lookup(Tuple(*(F(name) for name in columns)), tuple(columns.values()))


class Same(Exact):
    """Equality with a column of the index that rows are walked along; order by the column, too.

    For an equation MariaDB looks up that column alone, and reads all that follows in the index: 9,687 rows where a
    range from the value to the value, and on to the next column, reads 21 (tests/plans/test_lists.py).
    """

    def as_mysql(self, compiler: Any, connection: BaseDatabaseWrapper) -> Any:
        """Compile to a range of one value."""
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        params = [*left_params, *right_params]
        return f"{left} >= {right} AND {left} <= {right}", params + params


class Led(Same):
    """Equality with the column that leads an index, for rows in the order of that index: order by the column, too.

    To PostgreSQL a column that equals something is a constant, which drops out of the order; then an index without it
    gives the same order, and it may walk that one past everybody with another value. From an array it learns no such
    thing, though one of a single value is looked up alike.
    """

    def as_postgresql(self, compiler: Any, connection: BaseDatabaseWrapper) -> Any:
        """Compile to a look-up among the values of an array."""
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        kind = bare_type(self.lhs.output_field, connection)
        return f"{left} = ANY(ARRAY[{right}::{kind}])", [*left_params, *right_params]


if TYPE_CHECKING:
    _Wrapper = ExpressionWrapper[Q]  # takes parameters in the stubs only
else:
    _Wrapper = ExpressionWrapper


class OfIndex(_Wrapper):
    """The condition of an index that holds some rows only, for which each engine looks into that index."""

    def __init__(self, index: str, **condition: Any) -> None:
        super().__init__(Q(**condition), BooleanField())
        self.index = index

    def as_mysql(self, compiler: Any, connection: BaseDatabaseWrapper, **extra: Any) -> Any:
        """Compile to the column that stands for the condition there."""
        return holds(self.index, compiler), ()


def prefix_bounds(prefix: str) -> tuple[str, str]:
    """Return (low, high): what begins with `prefix` is >= low and < high, in a binary collation."""
    return prefix, prefix + LAST


def starts_with(field: str, prefix: str | tuple[Param, Param]) -> Q:
    """Return the condition for values of a NormalField that begin with `prefix`, or lie between two Params.

    The Params take prefix_bounds(). Never LIKE: a generic plan cannot use an index for it.
    """
    low, high = prefix_bounds(prefix) if isinstance(prefix, str) else prefix
    return Q(**{f"{field}__gte": low, f"{field}__lt": high})
