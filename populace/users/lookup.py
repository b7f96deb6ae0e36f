"""Many people by their identifiers: two statements, however many they are."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from populace.infra.db.compiled import Compiled, ListParam
from populace.infra.db.documents import document
from populace.users.documents import UserDocument
from populace.users.errors import Invalid, Refused
from populace.users.identifiers import NORMAL, key_of
from populace.users.models import Identifier, User
from populace.users.querysets import Reader, visible_to

MOST = 100
"""Identifiers of one call."""

HOLDERS = Compiled(
    Identifier.objects.order_by()
    .filter(pk__in=ListParam("keys", Identifier._meta.get_field("key")))
    .values_list("key", "user_id")
)
PEOPLE = Compiled(
    visible_to(Reader())
    .filter(pk__in=ListParam("ids", User._meta.get_field("id")))
    .values_list("id", document(UserDocument))
)

type Candidates = list[str | UUID]
"""What may be meant, most likely first: keys of Identifier, or an id."""


def look_up(identifiers: Any) -> list[bytes]:
    """Return `{"identifier": …, "user": …}` for each of them, as JSON. Raises Refused, Invalid.

    An identifier is a text in any spelling (an id, an e-mail address, a phone number, a user name, an external id;
    what could be several is taken in this order) or names its kind: `{"external_id": "…"}`.
    """
    if not isinstance(identifiers, list):
        raise Invalid("invalid", "An array.", "identifiers")
    if len(identifiers) > MOST:
        raise Refused("too_many", "identifiers", f"At most {MOST} at once.")
    candidates = [_candidates(number, identifier) for number, identifier in enumerate(identifiers)]
    keys = sorted({candidate for each in candidates for candidate in each if isinstance(candidate, str)})
    holders = {key.decode(): _uuid(id) for key, id in _rows(HOLDERS, keys=keys)}
    chosen = [list(_holders(each, holders)) for each in candidates]
    ids = sorted({id for each in chosen for id in each})
    people = people_of(ids)
    return [
        b'{"identifier":%s,"user":%s}'
        % (json.dumps(identifier).encode(), next((people[id] for id in each if id in people), b"null"))
        for identifier, each in zip(identifiers, chosen, strict=True)
    ]


def people_of(ids: list[UUID]) -> dict[UUID, bytes]:
    """Return the documents of the people who have these ids; one statement."""
    return {_uuid(id): shown for id, shown in _rows(PEOPLE, ids=ids)}


def _rows(read: Compiled, **asked: list[Any]) -> Iterator[tuple[bytes, bytes]]:
    """Yield both columns of a read by a list; nothing is read for none."""
    for first, second in read.result(asked) if any(asked.values()) else ():
        yield first or b"", second or b""


def _uuid(text: bytes) -> UUID:
    return UUID(text.decode())


def _holders(candidates: Candidates, holders: dict[str, UUID]) -> Iterator[UUID]:
    for candidate in candidates:
        if isinstance(candidate, UUID):
            yield candidate
        elif candidate in holders:
            yield holders[candidate]


def _candidates(number: int, identifier: Any) -> Candidates:
    where = f"identifiers/{number}"
    if isinstance(identifier, str):
        return _guessed(identifier)
    if not isinstance(identifier, dict) or len(identifier) != 1:
        raise Invalid("invalid", "A text, or an object with one member.", where)
    [(kind, value)] = identifier.items()
    if kind not in (*NORMAL, "id") or not isinstance(value, str):
        raise Invalid("invalid", f"Names one of id, {', '.join(NORMAL)}, with a text.", where)
    return list(_meant(kind, value))


def _guessed(text: str) -> Candidates:
    return [
        candidate for kind in ("id", "email", "phone", "username", "external_id") for candidate in _meant(kind, text)
    ]


def _meant(kind: str, text: str) -> Iterator[str | UUID]:
    """Yield what has this identifier, or nothing where nobody could."""
    try:
        if kind == "id":
            if len(text) == 36:
                yield UUID(text)
        elif text:
            yield key_of(kind, NORMAL[kind](text))
    except ValueError:
        return
