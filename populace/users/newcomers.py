"""The verb that makes many people at once, each on their own merits: the same few statements, however many they are."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX as NO_PASSWORD
from django.db import router

from populace.audit.actors import Actor
from populace.infra.db.retry import atomic, retried
from populace.infra.db.write import write_along
from populace.users.actions import created
from populace.users.attributes_index import values_of
from populace.users.batches import holders_of
from populace.users.errors import IdentifierTaken, Invalid, NoIdentifier
from populace.users.identifiers import claimed_in_turn, claims
from populace.users.models import AttributeValue, Identifier, User
from populace.users.rows import new_user

BATCH_MAX = 1000
"""People of one call."""

type Refusal = Invalid | NoIdentifier | IdentifierTaken
type Outcome = UUID | Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Somebody to be made: `values` are what documents.NEW returned, without `kind`."""

    values: dict[str, Any]
    kind: str = User.PERSON
    password_hash: str = NO_PASSWORD


@retried
def create_each(
    batch: Sequence[Newcomer], *, by: Actor, keep: Callable[[Sequence[Outcome]], Any] = lambda outcomes: None
) -> list[Outcome]:
    """Make each of these people as create_user would, one after another; return the new id, or why not, of each.

    One transaction: whoever is not refused is made, or nobody. Of two who want one identifier the first has it, and
    the other is refused also where somebody else was faster than the first. `keep` tells what goes along with the call
    (write_along) of these outcomes.
    """
    people = [_drafted(one) for one in batch]
    held = {user.id: claims(user) for user in people if isinstance(user, User)}
    outcomes = _decided(people, held)
    with atomic(User):
        outcomes = _claimed(outcomes, held)
        _write([user for user in people if isinstance(user, User) and user.id in outcomes], by)
        write_along(keep(outcomes))
    return outcomes


def _drafted(one: Newcomer) -> User | Refusal:
    try:
        user = new_user(one.values, kind=one.kind, password=one.password_hash)
    except Invalid as invalid:
        return invalid
    return user if claims(user) else NoIdentifier()


def _decided(people: Iterable[User | Refusal], held: dict[UUID, list[Identifier]]) -> list[Outcome]:
    """Refuse who names what somebody holds, or what somebody before them in the batch is about to: one statement."""
    taken = set(holders_of({claim.key for each in held.values() for claim in each}))
    outcomes: list[Outcome] = []
    for user in people:
        if isinstance(user, User):
            keys = [claim.key for claim in held[user.id]]
            lost = [key for key in keys if key in taken]
            taken.update(() if lost else keys)
            outcomes.append(_taken(lost) if lost else user.id)
        else:
            outcomes.append(user)
    return outcomes


def _claimed(outcomes: Sequence[Outcome], held: dict[UUID, list[Identifier]]) -> list[Outcome]:
    """Claim the identifiers of all who are left, in one order for all writers; refuse whom others were faster than."""
    rows = sorted((row for id in outcomes if isinstance(id, UUID) for row in held[id]), key=claimed_in_turn)
    Identifier._base_manager.bulk_create(rows, ignore_conflicts=True)  # the database decides, and goes on
    holders = holders_of({row.key for row in rows})
    lost: dict[UUID, list[str]] = {}
    for row in rows:
        if holders.get(row.key) != row.user_id:
            lost.setdefault(row.user_id, []).append(row.key)
    if lost:
        half = [row.key for row in rows if row.user_id in lost and holders.get(row.key) == row.user_id]
        Identifier._base_manager.filter(pk__in=half)._raw_delete(router.db_for_write(Identifier))
    return [_taken(lost[id]) if isinstance(id, UUID) and id in lost else id for id in outcomes]


def _write(users: Sequence[User], by: Actor) -> None:
    """Write these people and what comes with them, a statement for each kind of row."""
    User._base_manager.bulk_create(users)
    values = [value for user in users for value in values_of(user)]
    AttributeValue._base_manager.bulk_create(values, ignore_conflicts=True)
    for rows in zip(*(created(user, by=by, quiet=False) for user in users), strict=True):  # events, their outbox rows
        type(rows[0])._base_manager.bulk_create(rows)


def _taken(keys: Iterable[str]) -> IdentifierTaken:
    return IdentifierTaken(key.partition(":")[0] for key in keys)
