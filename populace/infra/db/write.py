"""The write door: everything a verb writes, all or nothing.

    write([user, *identifiers, event, outbox], returning=USER)                  -> the new document
    write([event, outbox], change=Change(user, ("first_name",), expected=7))    -> None, or raises Stale

On PostgreSQL one prepared statement without BEGIN (five times cheaper than the ORM's way, and one round trip);
elsewhere one short transaction. `save()`, signals and model managers are passed by.
"""

import json
from collections.abc import Sequence
from typing import Any

from django.db import connections, router
from django.db.models import Model

from populace.infra.db import write_portable, write_postgresql
from populace.infra.db.along import waiting
from populace.infra.db.compiled import Compiled
from populace.infra.db.retry import attempt_of
from populace.infra.db.write_terms import Change, Duplicate, Stale

__all__ = ["Change", "Duplicate", "Stale", "write", "write_along"]


def write(
    rows: Sequence[Model],
    *,
    change: Change | None = None,
    remove: Sequence[Model] = (),
    returning: Compiled | None = None,
) -> bytes | None:
    """Insert `rows`, apply `change`, delete `remove` (found by key and `user_id`; those not there are passed over).

    With `change`, everything else depends on it. Returns the document `returning`, a Compiled with the one Param `id`,
    of the changed row, else of the first of `rows`; without it None. Alone, the write is committed when this returns;
    inside atomic() it joins, and after Duplicate that block can only be rolled back.

    Raises Duplicate with every taken key (only one inside atomic() on PostgreSQL), Stale, TypeError for an expression
    as a value, and Django's database errors. A connection that is lost while a lone write runs may have committed.

    Rows of a model that says `repeatable = True` may be there already. What goes along with the call (along.py) is
    one more of `rows`.

    Not for it: a key that `remove` and `rows` share (leave out what does not change), and `returning` with nested
    lists of rows written by the same call (the statement does not see them).
    """
    along = waiting()
    if along:
        if rows:
            along.told(rows[0])
        rows = [*rows, along.row]
    first, *_ = [*([change.row] if change else []), *rows, *remove]
    connection = connections[router.db_for_write(type(first))]
    send = write_postgresql.send if connection.vendor == "postgresql" else write_portable.send
    if attempt := attempt_of(connection.alias):
        attempt.sent = True
    document = send(connection, rows, change, remove, returning)
    if attempt:
        attempt.done = True
    if along:
        along.written = True
    return document


def write_along(result: Any) -> None:
    """Write what goes along with the call, if anything does: in a verb whose rows do not pass this door.

    `result`, JSON without personal values, is kept in it: what the verb returned, where no document tells that later.
    """
    if along := waiting():
        along.row.result = json.dumps(result)
        write([])
