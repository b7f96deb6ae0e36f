"""The verbs: the only ways a person changes. Each is one transaction with its event and its outbox row.

`values` are what documents.NEW or documents.PATCH returned: writable names of the document, as typed. Every verb
raises UserNotFound for an id nobody has, Forbidden for a person who holds a right that the actor lacks, and whatever
the database raises when it does not answer.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX as NO_PASSWORD
from django.db.models import Model
from django.utils.timezone import now

from populace.audit.actions import recorded
from populace.audit.actors import Actor
from populace.infra.db.retry import atomic, retried
from populace.infra.db.write import Change, Duplicate, write
from populace.users import attributes, erasure
from populace.users.attributes_index import moved, values_of
from populace.users.errors import IdentifierTaken, NoIdentifier, UserNotFound, VersionMismatch
from populace.users.guards import leaving, may_act
from populace.users.identifiers import claimed_in_turn, claims
from populace.users.models import Identifier, User
from populace.users.races import on_row
from populace.users.reads import USER
from populace.users.rows import PROFILE, PROFILE_COLUMNS, apply, new_user


@retried
def create_user(
    *,
    by: Actor,
    values: Mapping[str, Any],
    password_hash: str = NO_PASSWORD,
    kind: str = User.PERSON,
    quiet: bool = False,
    is_active: bool = True,
    email_verified: bool = False,
) -> bytes:
    """Make a person and return the document. Raises NoIdentifier, IdentifierTaken, Invalid.

    Nothing follows from a quiet one (no welcome mail), though it is in the feed.
    """
    user = new_user(values, kind=kind, password=password_hash, is_active=is_active, email_verified=email_verified)
    held = _claims(user)
    with _identifiers_free():
        return _shown(write([user, *held, *values_of(user), *created(user, by=by, quiet=quiet)], returning=USER))


@retried
def create_users(batch: Sequence[Mapping[str, Any]], *, by: Actor, quiet: bool = False) -> list[UUID]:
    """Make a person of each of many `values` in one write, all or none; return their ids in the batch's order.

    For batches of one size, about 100: each number of rows is a statement of its own. Raises NoIdentifier,
    IdentifierTaken (which does not tell whose), Invalid.
    """
    if not batch:
        return []
    users = [new_user(values) for values in batch]
    held = sorted((claim for user in users for claim in _claims(user)), key=claimed_in_turn)
    if twice := [key for key, times in Counter(claim.key for claim in held).items() if times > 1]:
        raise _taken(twice)
    events, outbox = zip(*(created(user, by=by, quiet=quiet) for user in users), strict=True)
    with _identifiers_free():
        write([*users, *held, *(value for user in users for value in values_of(user)), *events, *outbox])
    return [user.id for user in users]


@retried
def update_user(user_id: UUID, *, by: Actor, values: Mapping[str, Any], expected: int | None = None) -> bytes:
    """Change what `values` names (attributes: a merge patch) and return the document.

    What already is so makes no event and no version. Another spelling of the same identifier keeps its key; any
    change of the e-mail makes it unverified. Raises VersionMismatch where `expected` is not the person's version;
    NoIdentifier, IdentifierTaken, Invalid.
    """
    may_act(user_id, by=by)

    def edit(user: User) -> dict[str, Any]:
        new = dict(values)
        if "attributes" in new:
            new["attributes"] = attributes.merged(user.attributes, new["attributes"])
        if new.get("email", user.email) != user.email:
            new["email_verified"] = False
        return new

    return _changed(user_id, edit, PROFILE_COLUMNS, action="user.updated", by=by, expected=expected)


@retried
def deactivate_user(user_id: UUID, *, by: Actor, expected: int | None = None) -> bytes:
    """Shut a person out from the next request on; return the document. Already so: no event.

    Raises LastOwner, VersionMismatch as update_user does.
    """
    may_act(user_id, by=by)
    with leaving([user_id]):
        return _set_active(user_id, active=False, action="user.deactivated", by=by, expected=expected)


@retried
def activate_user(user_id: UUID, *, by: Actor, expected: int | None = None) -> bytes:
    """Let a person in again; return the document. Already so: no event. Raises VersionMismatch as update_user does."""
    may_act(user_id, by=by)
    return _set_active(user_id, active=True, action="user.activated", by=by, expected=expected)


@retried
def erase_user(user_id: UUID, *, by: Actor, expected: int | None = None) -> None:
    """Remove a person, what they are found by, and all that erasure.ERASED names, for good.

    Their events stay without personal values. The identifiers are free at once; a new holder gets a new id.
    Raises LastOwner, VersionMismatch where `expected` is not the person's version.
    """
    may_act(user_id, by=by)
    with leaving([user_id]), atomic(User):
        # The row lock comes first: whoever adds something about this person waits, then finds nobody.
        user = User._base_manager.select_for_update().filter(pk=user_id).first()
        if user is None:
            raise UserNotFound
        if expected is not None and user.version != expected:
            raise VersionMismatch
        for erase in erasure.ERASED.values():
            erase([user_id])
        # Last: a verb about one of those rows (a token's end) has either written its event by now, or finds no row.
        erasure.forget_details([user_id])
        write(_recorded(user, action="user.erased", by=by), remove=[user])


def _set_active(user_id: UUID, *, active: bool, action: str, by: Actor, expected: int | None) -> bytes:
    columns = ("is_active", "updated_at")
    return _changed(user_id, lambda user: {"is_active": active}, columns, action=action, by=by, expected=expected)


def _changed(
    user_id: UUID,
    edit: Callable[[User], dict[str, Any]],
    columns: tuple[str, ...],
    *,
    action: str,
    by: Actor,
    expected: int | None,
) -> bytes:
    """Apply what `edit` returns (field: new value) to the row it was shown, or anew to what replaced that row."""

    def attempt(user: User) -> bytes:
        before = {claim.key: claim for claim in claims(user)}
        attributes_before = user.attributes
        changes = apply(user, edit(user))
        if not changes:
            return _shown(USER.one(id=user_id))
        after = {claim.key: claim for claim in _claims(user)}
        rows: list[Model] = [claim for key, claim in after.items() if key not in before]
        rows += _recorded(user, action=action, by=by, changes=changes)
        gone: list[Model] = [claim for key, claim in before.items() if key not in after]
        if "attributes" in changes:
            appeared, left = moved(user, attributes_before)
            rows, gone = [*rows, *appeared], [*gone, *left]
        with _identifiers_free():
            return _shown(write(rows, change=Change(user, columns, user.version), remove=gone, returning=USER))

    return on_row(user_id, attempt, expected=expected)


def _claims(user: User) -> list[Identifier]:
    if held := claims(user):
        return held
    raise NoIdentifier


def created(user: User, *, by: Actor, quiet: bool) -> list[Model]:
    """Return the event of a person being made, and its outbox row."""
    changes = {name: {"old": None, "new": value} for name in ("kind", *PROFILE) if (value := getattr(user, name))}
    return _recorded(user, action="user.created", by=by, changes=changes, quiet=quiet)


def _recorded(
    user: User, *, action: str, by: Actor, changes: Mapping[str, Any] | None = None, quiet: bool = False
) -> list[Model]:
    return recorded(
        subject_id=user.id,
        subject_kind="user",
        action=action,
        by=by,
        at=user.updated_at if changes else now(),
        changes=changes,
        quiet=quiet,
    )


def _shown(document: bytes | None) -> bytes:
    if document is None:
        raise UserNotFound
    return document


@contextmanager
def _identifiers_free() -> Iterator[None]:
    try:
        yield
    except Duplicate as duplicate:
        if duplicate.model is not Identifier:
            raise
        raise _taken(duplicate.keys) from duplicate


def _taken(keys: Iterable[str]) -> IdentifierTaken:
    return IdentifierTaken(key.partition(":")[0] for key in keys)
