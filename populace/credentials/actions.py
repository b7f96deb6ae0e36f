"""The verbs about secrets. None sees, stores or logs one in clear but those that make a token, which return it.

Each raises Forbidden for a person who holds a right that the actor lacks.
"""

from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Model
from django.utils.timezone import now

from populace.audit.actions import recorded
from populace.audit.actors import Actor
from populace.audit.permissions import expanded
from populace.credentials.errors import (
    NAME_MAX,
    ExceedsToken,
    NameTooLong,
    TokenNotFound,
    TooManyTokens,
    UnknownScope,
)
from populace.credentials.models import ApiToken
from populace.credentials.tokens import SCOPES, digest, make_token
from populace.infra.db.fields import FOREVER
from populace.infra.db.retry import atomic, retried
from populace.infra.db.write import Change, Stale, write
from populace.users.errors import Invalid, UserNotFound, VersionMismatch
from populace.users.guards import may_act
from populace.users.models import User
from populace.users.profile import line
from populace.users.races import on_row
from populace.users.reads import USER

TRIES = 3
"""Times a change is made anew on what somebody else wrote meanwhile."""

TOKENS_MAX = 1000
"""Tokens of one owner, those that ended in the last days among them (expiry.py): or rotating one would fill a disk."""

OVERLAP = timedelta(hours=24)
"""How long a rotated token goes on beside the new one, unless said."""


@retried
def create_token(
    *, owner_id: UUID, name: str, scopes: Collection[str], by: Actor, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """Make a token of a person and return it with its secret, which cannot be had again.

    None for `expires_at`: as long as the token that asks, or it does not end by itself. A token makes none that may
    do more or works longer than itself (ExceedsToken). Raises Invalid for an end that is over, NameTooLong,
    TooManyTokens, UnknownScope, UserNotFound.
    """
    _check_name(name)
    wanted = list(dict.fromkeys(scopes))
    if not wanted or not set(wanted) <= set(SCOPES):
        raise UnknownScope
    at = now()
    if expires_at and expires_at <= at:
        raise Invalid("past", "Must be in the future.", "expires_at")
    _check_owner(owner_id, by=by)
    end = min(expires_at or _end_of(by), FOREVER)  # the last day of the calendar is no end either
    token, secret = _made(owner_id, name, wanted, end, at)
    _check_within(token, by=by)
    with atomic(User):
        _hold_owner(owner_id)
        write([token, *_recorded(token, "token.created", by=by, at=at)])
    return token, secret


@retried
def rotate_token(token_id: UUID, *, by: Actor, overlap: timedelta = OVERLAP) -> tuple[ApiToken, str]:
    """Make a token that replaces this one, which works on for `overlap`; return the new one with its secret.

    The new one has the scopes of the old and ends when the old would have. Raises as create_token, TokenNotFound.
    """
    with atomic(ApiToken):
        stored = ApiToken._base_manager.filter(id=token_id, revoked_at=FOREVER)
        _hold_owner(*stored.values_list("user_id", flat=True))
        old, at = stored.select_for_update().first(), now()
        if old is None or old.expires_at <= at:
            raise TokenNotFound
        _check_owner(old.user_id, by=by)
        _check_within(old, by=by)
        token, secret = _made(old.user_id, old.name, old.scopes.split(), old.expires_at, at)
        old.expires_at = min(old.expires_at, at + overlap)
        events = _recorded(old, "token.rotated", by=by, at=at, new=token)
        write([token, *events], change=Change(old, ("expires_at",), old.version))
    return token, secret


@retried
def revoke_token(token_id: UUID, *, by: Actor) -> None:
    """End a token from the next request on; already ended: no event. Raises TokenNotFound."""
    for _ in range(TRIES):
        token = ApiToken._base_manager.filter(id=token_id).first()
        if token is None:
            raise TokenNotFound
        _check_owner(token.user_id, by=by)
        if token.revoked_at != FOREVER:
            return
        at = token.revoked_at = now()
        with suppress(Stale):  # somebody else ended or rotated it at the same moment, or erased its owner
            write(_recorded(token, "token.revoked", by=by, at=at), change=Change(token, ("revoked_at",), token.version))
            return
    raise VersionMismatch


@retried
def set_password(user_id: UUID, *, password_hash: str, by: Actor, expected: int | None = None) -> bytes:
    """Store a finished hash and return the person's document. Raises UserNotFound, VersionMismatch as update_user does.

    The event says that and when, never what.
    """
    may_act(user_id, by=by)

    def attempt(user: User) -> bytes:
        at = user.updated_at = now()
        user.password = password_hash
        event = recorded(subject_id=user_id, subject_kind="user", action="user.password_set", by=by, at=at)
        return write(event, change=Change(user, ("password", "updated_at"), user.version), returning=USER) or b""

    return on_row(user_id, attempt, expected=expected)


def wrap_password(user_id: UUID, *, bare: str, wrapped: str) -> bool:
    """Store a bare digest's wrapped form, unless the password was changed meanwhile; tell whether it was stored.

    The one change without an event, a version or an actor: the password stays what it was, its own event tells how it
    came here, and a second event for every imported person would tell nobody anything.
    """
    return User._base_manager.filter(pk=user_id, password=bare).update(password=wrapped) == 1


def _check_name(name: str) -> None:
    """Raise NameTooLong for what TokenDocument would refuse, too; not every such line is printable to Python."""
    try:
        line(name)
    except Invalid as error:
        raise NameTooLong from error
    if len(name) > NAME_MAX:
        raise NameTooLong


def _made(owner_id: UUID, name: str, scopes: Iterable[str], expires_at: datetime, at: datetime) -> tuple[ApiToken, str]:
    secret = make_token()
    token = ApiToken(
        digest=digest(secret),
        user_id=owner_id,
        name=name,
        scopes=" ".join(scopes),
        created_at=at,
        expires_at=expires_at,
    )
    return token, secret


def _hold_owner(*owner_ids: UUID) -> None:
    """Lock the owner of a new token until the transaction ends, so that nobody erases them in between and leaves it.

    Raises UserNotFound, TooManyTokens.
    """
    for owner_id in owner_ids:
        if not User._base_manager.select_for_update().filter(pk=owner_id).exists():
            raise UserNotFound
        # The lock has them come one after another, so the count is right; it walks TOKENS_MAX entries of an index.
        if ApiToken._base_manager.filter(user_id=owner_id).values("pk")[:TOKENS_MAX].count() == TOKENS_MAX:
            raise TooManyTokens


def _end_of(by: Actor) -> datetime:
    """Return when the token ends that the actor came with; FOREVER without one."""
    if by.token_id is None:
        return FOREVER
    return ApiToken._base_manager.filter(id=by.token_id).values_list("expires_at", flat=True).first() or FOREVER


def _check_within(token: ApiToken, *, by: Actor) -> None:
    """Raise ExceedsToken unless the token does what the actor may give and ends when the actor's own ends.

    Of one's own, it is what the asking token has, come what may; of somebody else's, what the actor may do now: that
    person may become more than the actor is.
    """
    scopes, until = by.permissions, FOREVER
    if by.token_id is not None:
        asking = ApiToken._base_manager.filter(id=by.token_id).first()
        if asking is None:
            raise ExceedsToken
        until = asking.expires_at
        if token.user_id == by.id:
            scopes = expanded(asking.scopes.split())
    if token.expires_at > until or not expanded(token.scopes.split()) <= scopes:
        raise ExceedsToken


def _check_owner(owner_id: UUID, *, by: Actor) -> None:
    """Raise Forbidden for somebody else who holds more than the actor; `_check_within` is enough for oneself."""
    if owner_id != by.id:
        may_act(owner_id, by=by)


def _recorded(token: ApiToken, action: str, *, by: Actor, at: datetime, new: ApiToken | None = None) -> list[Model]:
    """Return the event about the token's owner, whose erasure then reaches it."""
    shown = _shown(token)
    old, after = (None, shown) if action == "token.created" else (shown, new and _shown(new))
    changes = {"token": {"old": old, "new": after}}
    return recorded(subject_id=token.user_id, subject_kind="user", action=action, by=by, at=at, changes=changes)


def _shown(token: ApiToken) -> dict[str, Any]:
    return {"id": str(token.id), "name": token.name, "scopes": token.scopes.split()}
