"""The verbs about signing in. What was typed is in no event: people type their password into the name's field."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from django.utils.timezone import now

from populace.audit.actions import recorded
from populace.audit.actors import Actor
from populace.infra.db.retry import atomic, retried
from populace.infra.db.write import write
from populace.logins.models import Session
from populace.users.models import User

SIGN_IN_NOTED = timedelta(hours=1)
"""`last_sign_in_at` is written at most once in this time, so that a busy person is not a busy row."""


@retried
def signed_in(user_id: UUID, *, by: Actor) -> None:
    """Record that somebody has signed in, and remove the sessions whose time is over, whoever's they are."""
    at = now()
    Session._base_manager.filter(expires_at__lte=at).delete()
    event = recorded(subject_id=user_id, subject_kind="user", action="auth.signed_in", by=by, at=at)
    with atomic(User):
        # Not through write(): it would count the person's version up, and nothing a client may change has changed.
        User._base_manager.filter(pk=user_id, last_sign_in_at__lt=at - SIGN_IN_NOTED).update(last_sign_in_at=at)
        write(event)


@retried
def signed_out(user_id: UUID, *, by: Actor) -> None:
    """Record that somebody has ended their session, in the transaction in which its row goes."""
    write(recorded(subject_id=user_id, subject_kind="user", action="auth.signed_out", by=by, at=now()))


@contextmanager
def sessions_end_with(user_ids: Collection[UUID]) -> Iterator[None]:
    """Hold a block that shuts people out; registered in users/guards.py. No session is there when they come back.

    Their rows are written by then, so a sign-in that saw them active has stored its session, or finds that they are
    not (sessions.py).
    """
    with atomic(Session):
        yield
        Session._base_manager.filter(user_id__in=user_ids).delete()


@retried
def login_failed(user_id: UUID | None, *, by: Actor) -> None:
    """Record that somebody could not sign in: about the person who was named, else about the address it came from."""
    kind = "user" if user_id else "address"
    write(
        recorded(
            subject_id=user_id or at_address(by.address),
            subject_kind=kind,
            action="auth.login_failed",
            by=by,
            at=now(),
        )
    )


def at_address(address: str) -> UUID:
    """Return the id that stands for whoever asks from an address (RFC 9562 section 5.5), as nobody is signed in."""
    return uuid5(NAMESPACE_URL, f"populace:address:{address}")
