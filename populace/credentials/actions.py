"""The verbs about secrets. None of them ever sees, stores or logs one in clear but `create_token`, which returns it."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from django.db import router, transaction
from django.db.models import Model
from django.utils.timezone import now

from populace.audit.actions import recorded
from populace.audit.actors import Actor
from populace.credentials.models import ApiToken
from populace.credentials.tokens import SCOPES, digest, make_token
from populace.infra.db.fields import FOREVER
from populace.infra.db.write import Change, Stale, write
from populace.users.errors import UserNotFound
from populace.users.models import User
from populace.users.races import on_row
from populace.users.reads import USER

NAME_MAX = 200  # characters of a token's name


class TokenNotFound(LookupError):
    """No token has this id (any more)."""


class NameTooLong(ValueError):
    """A token's name has more than NAME_MAX characters, or holds what cannot be stored."""


class UnknownScope(ValueError):
    """One of the scopes is not in tokens.SCOPES, or there is none."""


def create_token(
    *, owner_id: UUID, name: str, scopes: Iterable[str], by: Actor, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """Make a token of a person and return it with its secret, which cannot be had again.

    None for `expires_at`: it does not end by itself. Raises NameTooLong, UnknownScope, UserNotFound.
    """
    if len(name) > NAME_MAX or not name.isprintable():
        raise NameTooLong
    wanted = list(dict.fromkeys(scopes))
    if not wanted or not set(wanted) <= set(SCOPES):
        raise UnknownScope
    secret, at = make_token(), now()
    token = ApiToken(
        digest=digest(secret),
        user_id=owner_id,
        name=name,
        scopes=" ".join(wanted),
        created_at=at,
        expires_at=expires_at or FOREVER,
    )
    with transaction.atomic(using=router.db_for_write(User)):
        # Locked, so that nobody erases the person in between and leaves a token behind.
        if not User._base_manager.select_for_update().filter(pk=owner_id).exists():
            raise UserNotFound
        write([token, *_recorded(token, "token.created", by=by, at=at)])
    return token, secret


def revoke_token(token_id: UUID, *, by: Actor) -> None:
    """End a token from the next request on; already ended: no event. Raises TokenNotFound."""
    token = ApiToken._base_manager.filter(id=token_id).first()
    if token is None:
        raise TokenNotFound
    if token.revoked_at != FOREVER:
        return
    at = token.revoked_at = now()
    # Stale: somebody else ended it at the same moment, or erased its owner.
    with suppress(Stale):
        write(_recorded(token, "token.revoked", by=by, at=at), change=Change(token, ("revoked_at",), token.version))


def set_password(user_id: UUID, *, password_hash: str, by: Actor, expected: int | None = None) -> bytes:
    """Store a finished hash and return the person's document. Raises UserNotFound, VersionMismatch as update_user does.

    The event says that and when, never what.
    """

    def attempt(user: User) -> bytes:
        at = user.updated_at = now()
        user.password = password_hash
        event = recorded(subject_id=user_id, subject_kind="user", action="user.password_set", by=by, at=at)
        return write(event, change=Change(user, ("password", "updated_at"), user.version), returning=USER) or b""

    return on_row(user_id, attempt, expected=expected)


def _recorded(token: ApiToken, action: str, *, by: Actor, at: datetime) -> list[Model]:
    """Return the event about the token's owner, whose erasure then reaches it."""
    shown = {"id": str(token.id), "name": token.name, "scopes": token.scopes.split()}
    old, new = (None, shown) if action == "token.created" else (shown, None)
    changes = {"token": {"old": old, "new": new}}
    return recorded(subject_id=token.user_id, subject_kind="user", action=action, by=by, at=at, changes=changes)
