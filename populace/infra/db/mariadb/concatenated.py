"""Many rows as one text. MariaDB lets no subquery in FROM name a row outside, so the aggregate is put inside."""

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Func, Subquery, TextField


def concatenated(subquery: Subquery, separator: str, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
    """Compile a subquery with the column `item` to the texts of its rows in its order, NULL where there is none.

    `separator` is SQL text. An order goes upwards, by columns.
    """
    inner = subquery.copy()
    query: Any = subquery.query.clone()
    inner.query = query
    order = [query.resolve_ref(getattr(ref, "name", ref)) for ref in query.order_by]
    query.clear_ordering(force=True)
    query.annotations["item"] = GroupConcat(query.annotations["item"], *order, separator=separator)
    return inner.as_sql(compiler, connection)


class GroupConcat(Func):
    """The aggregate as a plain function, so that the ORM groups nothing: one text of all rows of the query."""

    output_field = TextField()

    def __init__(self, item: Any, *order: Any, separator: str) -> None:
        super().__init__(item, *order)
        self.separator = separator

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:  # type: ignore[override]
        """Compile the item, then the order."""
        item, *order = [compiler.compile(expression) for expression in self.source_expressions]
        by = f" ORDER BY {', '.join(sql for sql, _ in order)}" if order else ""
        params = [param for _, own in (item, *order) for param in own]
        return f"GROUP_CONCAT({item[0]}{by} SEPARATOR {self.separator})", params
