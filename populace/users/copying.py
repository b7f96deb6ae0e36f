"""New people on PostgreSQL: COPY, a statement for each table, however many they are.

What stands in the rows is what `created` and bulk_create would write. Of each kind of row one is made by its own code,
as a pattern; a line of COPY repeats it and puts in what differs from person to person.
"""

import json
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.timezone import now

from populace.audit.actors import Actor
from populace.audit.models import Event
from populace.infra.db.ids import new_ids
from populace.infra.db.write_copy import copy_rows, escaped, text
from populace.users.actions import created
from populace.users.identifiers import CONFUSABLE
from populace.users.incoming import COLUMNS, Newcomer
from populace.users.models import Identifier, User
from populace.users.rows import PROFILE

_quoted = json.encoder.encode_basestring_ascii


def copies(using: str) -> bool:
    """Tell whether new people go in by COPY."""
    return connections[using].vendor == "postgresql"


def copy_people(
    connection: BaseDatabaseWrapper,
    newcomers: Sequence[Newcomer],
    claimed: Sequence[Identifier],
    *,
    by: Actor,
    quiet: bool,
) -> None:
    """Write people, their events and outbox rows, and with what they claim what others do.

    Raises IntegrityError where a key is taken.
    """
    at = now()
    pattern = User(date_joined=at, updated_at=at)
    event, outbox = created(pattern, by=by, quiet=quiet)
    ids, event_ids = [one.id.hex for one in newcomers], new_ids(len(newcomers))
    keys = [(key, user_id) for one, user_id in zip(newcomers, ids, strict=True) for key in one.keys.values()]
    keys += [(claim.key, claim.user_id.hex) for claim in claimed]
    claim = Identifier(unicode_version=unicodedata.unidata_version)
    copy_rows(connection, pattern, ("id", *COLUMNS), _people(newcomers, ids))
    copy_rows(connection, claim, ("key", "user_id"), [(escaped(key), user_id) for key, user_id in _in_turn(keys)])
    details = _details(event, newcomers)  # type: ignore[arg-type]
    copy_rows(connection, event, ("subject_id", "id", "details"), zip(ids, event_ids, details, strict=True))
    copy_rows(connection, outbox, ("subject_id", "event_id"), zip(ids, event_ids, strict=True))


def _in_turn(keys: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return them in the order of identifiers.claimed_in_turn, of which nobody waits for anybody in turn."""
    last = f"{CONFUSABLE}:"
    return sorted(keys, key=lambda claim: (claim[0].startswith(last), claim[0]))


def _people(newcomers: Sequence[Newcomer], ids: Sequence[str]) -> Iterator[list[str]]:
    new = {name: text(getattr(User(), name)) for name in COLUMNS}
    for one, user_id in zip(newcomers, ids, strict=True):
        columns = new | {
            name: escaped(value) if type(value) is str else text(value) for name, value in one.columns.items()
        }
        yield [user_id, *[columns[name] for name in COLUMNS]]


def _details(event: Event, newcomers: Sequence[Newcomer]) -> Iterator[str]:
    """Yield the details of each person's event: `changes` as `created` tells them, the rest is the same for all."""
    rest = json.dumps({name: value for name, value in (event.details or {}).items() if name != "changes"})[1:]
    for one in newcomers:
        told = {"kind": User.PERSON} | one.columns
        changes = ", ".join(
            f'"{name}": {{"old": null, "new": {_json(value)}}}'
            for name in ("kind", *PROFILE)
            if (value := told.get(name))
        )
        yield escaped(f'{{"changes": {{{changes}}}, {rest}')


def _json(value: Any) -> str:
    return _quoted(value) if type(value) is str else json.dumps(value)
