"""The verbs for a set of people: the same few statements however many they are, about 500, and an event for each.

Each takes ids and says in a Done what came of whom. Whoever is not there, or whom the actor may not act on, is left out
and told, after their rows were locked: a caller who wants all or none rolls the transaction back.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import router
from django.db.models import F, Model
from django.utils.timezone import now

from populace.audit.actions import Changes, recorded
from populace.audit.actors import Actor
from populace.infra.db.retry import atomic, retried
from populace.users import erasure
from populace.users.attributes_index import moved
from populace.users.errors import Invalid
from populace.users.guards import beyond, leaving
from populace.users.models import AttributeValue, User
from populace.users.rows import PROFILE_COLUMNS, apply

NOT_FOUND, FORBIDDEN, ALREADY, INVALID = "not_found", "forbidden", "already", "invalid"

type LeaveOut = Callable[[Collection[UUID]], Mapping[UUID, str]]
"""Returns whom not to touch, and a code for each; asked when their rows are locked."""


def nobody(user_ids: Collection[UUID]) -> Mapping[UUID, str]:
    """Leave nobody out."""
    return {}


@dataclass(slots=True)
class Done:
    """What came of a verb: whom it changed, and when; whom not, and why (a code)."""

    at: datetime = field(default_factory=now)
    changed: list[UUID] = field(default_factory=list)
    left: dict[UUID, str] = field(default_factory=dict)

    def leave(self, user_ids: Iterable[UUID], code: str) -> None:
        """Say why nothing comes of these."""
        self.left |= dict.fromkeys(user_ids, code)


@retried
def set_active(user_ids: Collection[UUID], *, active: bool, by: Actor, leave_out: LeaveOut = nobody) -> Done:
    """Let people in, or shut them out from the next request on. Raises LastOwner."""
    done, going = Done(), set(user_ids)
    around: AbstractContextManager[None] = nullcontext() if active else leaving(going)
    with around, atomic(User):
        people = locked(user_ids, done, by=by, leave_out=leave_out)
        done.leave((user.id for user in people if user.is_active == active), ALREADY)
        done.changed = [user.id for user in people if user.is_active != active]
        going.intersection_update(done.changed)
        values = {"is_active": active, "updated_at": done.at, "version": F("version") + 1}
        User._base_manager.filter(pk__in=done.changed).update(**values)
        changes = {"is_active": {"old": not active, "new": active}}
        action = "user.activated" if active else "user.deactivated"
        record(action, dict.fromkeys(done.changed, changes), by=by, at=done.at)
    return done


@retried
def update(
    user_ids: Collection[UUID], *, edit: Callable[[User], Mapping[str, Any]], by: Actor, leave_out: LeaveOut = nobody
) -> Done:
    """Change what `edit` returns for each, which is none of what people are found by; attributes come whole.

    Whose attributes the schema refuses is left out (`invalid`).
    """
    done, changes, changed = Done(), dict[UUID, Changes](), list[User]()
    appeared, gone = list[Model](), list[Model]()
    with atomic(User):
        for user in locked(user_ids, done, by=by, leave_out=leave_out):
            had = user.attributes
            try:
                changes[user.id] = apply(user, dict(edit(user)))
            except Invalid:
                done.left[user.id] = INVALID
                continue
            if not changes[user.id]:
                done.left[user.id] = ALREADY
                continue
            user.version, user.updated_at = user.version + 1, done.at
            changed.append(user)
            for rows, new in zip((appeared, gone), moved(user, had), strict=True):
                rows += new
        done.changed = [user.id for user in changed]
        _store(changed, appeared, gone)
        record("user.updated", {one: changes[one] for one in done.changed}, by=by, at=done.at)
    return done


def _store(changed: list[User], appeared: list[Any], gone: list[Any]) -> None:
    if gone:
        keys = [row.pk for row in gone]
        AttributeValue._base_manager.filter(pk__in=keys)._raw_delete(router.db_for_write(AttributeValue))
    # An INSERT that finds every row there, as in batches.py: one statement for many rows of many values.
    columns = [*PROFILE_COLUMNS, "version"]
    User._base_manager.bulk_create(changed, update_conflicts=True, unique_fields=["id"], update_fields=columns)
    AttributeValue._base_manager.bulk_create(appeared, ignore_conflicts=True)


@retried
def erase(user_ids: Collection[UUID], *, by: Actor) -> Done:
    """Remove people for good, as erase_user does. Raises LastOwner."""
    done, going = Done(), set(user_ids)
    with leaving(going), atomic(User):
        done.changed = [user.id for user in locked(user_ids, done, by=by)]
        going.intersection_update(done.changed)
        for forget in erasure.ERASED.values():
            forget(done.changed)
        # Last, as erase_user says.
        erasure.forget_details(done.changed)
        record("user.erased", {one: {} for one in done.changed}, by=by, at=done.at)
        User._base_manager.filter(pk__in=done.changed)._raw_delete(router.db_for_write(User))
    return done


def locked(user_ids: Collection[UUID], done: Done, *, by: Actor, leave_out: LeaveOut = nobody) -> list[User]:
    """Return those of these people whom the actor may change, locked in one order for all writers; tell of the rest."""
    rows = User._base_manager.select_for_update().filter(pk__in=user_ids).order_by("pk")
    people = {user.id: user for user in rows}
    done.leave((one for one in user_ids if one not in people), NOT_FOUND)
    done.leave(beyond(people, by=by), FORBIDDEN)
    if there := [one for one in people if one not in done.left]:
        done.left |= leave_out(there)
    done.at = now()  # behind whatever these rows have waited for
    return [user for user in people.values() if user.id not in done.left]


def record(action: str, told: Mapping[UUID, Changes], *, by: Actor, at: datetime) -> None:
    """Write an event for each person and its outbox row, in two statements."""
    pairs = [
        recorded(subject_id=one, subject_kind="user", action=action, by=by, at=at, changes=changes)
        for one, changes in told.items()
    ]
    for rows in zip(*pairs, strict=True):  # events, then their outbox rows
        type(rows[0])._base_manager.bulk_create(rows)
