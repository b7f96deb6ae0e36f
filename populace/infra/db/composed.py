"""Statements put together from compiled ones, where the ORM has no word for what holds them together."""

from collections.abc import Callable, Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from populace.infra.db.compiled import Compiled, Param, Plan, Row, numbered


def composed(*parts: str | Plan, texts: Sequence[Callable[[Any], bytes]]) -> Plan:
    """Return one statement from texts (without parameters) and plans, in order; a parameter's name is one value.

    `texts`: how each column that it returns is printed where Plan has that.
    """
    pieces, slots = [""], list[int]()
    args: list[Any] = []
    params: dict[str, Param] = {}
    for part in parts:
        if isinstance(part, str):
            pieces[-1] += part
            continue
        params |= {param.value: param for param in part.params if param.value not in params}
        args += part.args
        if not part.pieces:
            pieces[-1] += part.text
            continue
        names = list(params)
        pieces[-1] += part.pieces[0]
        pieces += part.pieces[1:]
        slots += [names.index(part.params[slot].value) for slot in part.slots]
    return Plan(numbered(pieces, slots, 1), list(params.values()), args, texts, pieces, slots)


def late(number: int, connection: BaseDatabaseWrapper) -> str:
    """Return a bound for LIMIT that no plan is made for: a subquery, but where the engine takes none (MariaDB)."""
    return str(number) if connection.vendor == "mysql" else f"(SELECT {number})"


def materialized(connection: BaseDatabaseWrapper) -> str:
    """Return the word that has a WITH computed once and by itself; MariaDB has none."""
    return "" if connection.vendor == "mysql" else "MATERIALIZED "


def seen(order: str, connection: BaseDatabaseWrapper) -> tuple[str, str]:
    """Return the column `seen` that counts the rows of an ordered subquery, and what keeps its order behind that.

    MariaDB forgets the order of a subquery: there `order`, of names of its columns, is said anew, which sorts.
    """
    if connection.vendor == "mysql":
        return f"ROW_NUMBER() OVER (ORDER BY {order}) AS seen", " ORDER BY seen"
    return "ROW_NUMBER() OVER () AS seen", ""


class Beside(Compiled):
    """The row of `first` beside each row of `then`, in the order of `then`: one statement for both.

    No row: there is none of `first`. One row whose last columns are NULL: `then` has none. Both are called with
    their parameters at once, so no name may mean two things.
    """

    def __init__(self, first: Compiled, then: Compiled) -> None:
        super().__init__(first.queryset, limits=[limit for limit in then.limits if limit])
        self.first, self.then = first, then

    def compile(self, connection: BaseDatabaseWrapper, limit: int | None) -> Plan:
        """Join both. A left join without a condition has one plan, in which the rows keep their order."""
        first, then = self.first.plan(connection), self.then.plan(connection, limit)
        # Else what `first` selects would be computed anew beside every row.
        head, middle = f"WITH deciding AS {materialized(connection)}(", ") SELECT * FROM deciding LEFT JOIN ("
        return composed(head, first, middle, then, ") AS beside ON TRUE", texts=[*first.texts, *then.texts])

    def both(self, width: int, values: dict[str, Any], limit: int | None) -> tuple[Row | None, list[Row]]:
        """Return the row of `first`, which has `width` columns, and the rows of `then`, whose last is never NULL."""
        rows = self.result(values, limit, repeated=width)
        if not rows:
            return None, []
        first = rows[0]
        return first[:width], [] if first[-1] is None else [first[width:], *rows[1:]]
