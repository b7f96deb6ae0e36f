"""What PostgreSQL's planner knows about people, read once a minute by each process: estimates without a query."""

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper

from populace.users.models import User
from populace.users.querysets import SEARCHED

SLICES_MIN = 3  # as many of a column's about 100 slices tell of a share; one may be chance

KEPT_S = 60
"""Seconds that statistics are kept; an estimate is as old as that and the last ANALYZE together."""

TIMES = ("date_joined", "last_sign_in_at", "updated_at")
VALUES: Mapping[str, Callable[[str], Any]] = {
    "email_domain": str,
    "group_id": UUID,
    "is_active": "t".__eq__,
    **dict.fromkeys(SEARCHED, str),
    **dict.fromkeys(TIMES, datetime.fromisoformat),
}
"""Columns that lists are filtered by, and how their values are read from the text of an array."""

STATISTICS = """
SELECT s.attname, GREATEST(c.reltuples, 0)::float8, s.n_distinct::float8, s.most_common_vals::text::text[],
       s.most_common_freqs::float8[], s.histogram_bounds::text::text[]
FROM pg_class c LEFT JOIN pg_stats s ON s.schemaname = c.relnamespace::regnamespace::text AND s.tablename = c.relname
    AND s.attname = ANY(%s)
WHERE c.oid IN (%s::regclass, %s::regclass)
"""


class Column(NamedTuple):
    """How many rows there are, and how a column's values are spread: the common ones, the others in equal slices."""

    rows: float
    distinct: float
    common: Mapping[Any, float]  # value: share of the rows
    slices: Sequence[Any]  # bounds of as many values each
    texts: str = ""  # all of those in one, where they are texts

    @property
    def rest(self) -> float:
        """Return the share of rows whose values are not common."""
        return max(0.0, 1 - sum(self.common.values()))

    def equal(self, value: Any) -> float:
        """Return the share of rows with this value."""
        return self.common.get(value, self.rest / max(self.distinct - len(self.common), 1))

    def between(self, low: Any, high: Any) -> float:
        """Return the share of rows from `low` to below `high`."""
        common = sum(share for value, share in self.common.items() if low <= value < high)
        if len(self.slices) < 2:
            return common
        passed = bisect_left(self.slices, high) - bisect_left(self.slices, low)
        return common + self.rest * min(1.0, passed / (len(self.slices) - 1))

    def containing(self, parts: Collection[str]) -> float:
        """Return the share of rows whose text has one of these parts; too little to be seen is 0."""
        if not any(part in self.texts for part in parts):  # as a rule; one by one takes far longer
            return 0
        common = sum(share for value, share in self.common.items() if any(part in value for part in parts))
        seen = sum(any(part in bound for part in parts) for bound in self.slices)
        return common + (self.rest * seen / len(self.slices) if seen >= SLICES_MIN else 0)


_kept: dict[str, tuple[float, dict[str, Column]]] = {}


def statistics(connection: BaseDatabaseWrapper) -> dict[str, Column]:
    """Return the columns of VALUES; empty before the first ANALYZE, which autovacuum does. PostgreSQL only."""
    until, columns = _kept.get(connection.alias, (0.0, {}))
    if monotonic() >= until:
        columns = _read(connection)
        _kept[connection.alias] = monotonic() + KEPT_S, columns
    return columns


def _read(connection: BaseDatabaseWrapper) -> dict[str, Column]:
    relation: Any = User._meta.get_field("memberships")
    memberships = relation.related_model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(STATISTICS, [list(VALUES), User._meta.db_table, memberships])
        found = cursor.fetchall()
    columns = {}
    for name, rows, distinct, common, shares, slices in found:
        if name is None:
            continue
        value = VALUES[name]
        columns[name] = Column(
            rows,
            -distinct * rows if distinct < 0 else distinct,
            dict(zip(map(value, common or ()), shares or (), strict=True)),
            [value(text) for text in slices or ()],
            "\n".join([*(common or ()), *(slices or ())]) if name in SEARCHED else "",
        )
    return columns
