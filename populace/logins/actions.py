"""The verbs about signing in. What was typed is in no event: people type their password into the name's field."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from django.utils.timezone import now

from populace.audit.actions import recorded
from populace.audit.actors import Actor
from populace.audit.models import Event
from populace.infra.db.retry import atomic, retried
from populace.infra.db.write import write
from populace.infra.telemetry.metrics import LOGINS_FOLDED
from populace.logins.models import Session
from populace.users.models import User

SIGN_IN_NOTED = timedelta(hours=1)
"""`last_sign_in_at` is written at most once in this time, so that a busy person is not a busy row."""


FAILED = "auth.login_failed"
FAILURES_MAX, SOURCE_MAX, PER = 10, 60, timedelta(minutes=1)
"""Refused sign-ins that have an event of their own: about one person or address, and from one address."""

DELETE_ROWS = 1000
"""Sessions deleted at a time."""


@retried
def signed_in(user_id: UUID, *, by: Actor) -> None:
    """Record that somebody has signed in."""
    at = now()
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
    """Record that somebody could not sign in: about the person who was named, else about the address it came from.

    Of those beyond FAILURES_MAX or SOURCE_MAX in a minute only the number is kept, and the log lines of the requests.
    """
    kind, subject_id = ("user", user_id) if user_id else ("address", at_address(by.address))
    if _failures(subject_id=subject_id) >= FAILURES_MAX or _failures(actor=by.id) >= SOURCE_MAX:
        LOGINS_FOLDED.inc()
        return
    write(recorded(subject_id=subject_id, subject_kind=kind, action=FAILED, by=by, at=now()))


def _failures(**about: UUID) -> int:
    """Count the latest ones by an index of the log; some at once may all see room, as many as hash at once."""
    latest = Event._base_manager.filter(**about, at__gt=now() - PER, action=FAILED)
    return latest.values_list("id", flat=True)[:SOURCE_MAX].count()


def delete_expired() -> bool:
    """Delete sessions whose time is over, at most DELETE_ROWS; True where there may be more. For the worker."""
    over = Session._base_manager.filter(expires_at__lte=now()).order_by("expires_at")
    if digests := list(over.values_list("digest", flat=True)[:DELETE_ROWS]):
        Session._base_manager.filter(pk__in=digests).delete()
    return len(digests) == DELETE_ROWS


def at_address(address: str) -> UUID:
    """Return the id that stands for whoever asks from an address (RFC 9562 section 5.5), as nobody is signed in."""
    return uuid5(NAMESPACE_URL, f"populace:address:{address}")
