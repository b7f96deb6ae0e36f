"""What somebody wanted to do and may not: the log tells, or nobody would see who tries doors."""

from datetime import timedelta

import structlog
from django.db import DatabaseError, InterfaceError
from django.utils.timezone import now

from populace.audit.actions import recorded
from populace.audit.actors import Actor
from populace.audit.models import Event
from populace.infra.db.retry import atomic, retried
from populace.infra.db.write import write
from populace.users.models import User

log = structlog.get_logger(__name__)

DENIED = "authz.denied"
EVENTS_MAX, PER = 10, timedelta(minutes=1)
"""Refusals of one person that are written; of the others, the log lines of the requests are what stays."""


def record_refusal(call: str, *, by: Actor) -> None:
    """Write that `by` was refused a call that would have changed something, before they are told.

    `call` is method and path; what was sent is never part of it. The event is about who asked: the id in the path may
    be anything. Where it cannot be written, the refusal stands nevertheless, and the log says so.
    """
    try:
        if _written(by) < EVENTS_MAX:
            _write(call, by)
    except (DatabaseError, InterfaceError) as error:
        log.error("refusal_not_recorded", request_id=by.request_id, error=type(error).__name__)


def _written(by: Actor) -> int:
    """Count the latest ones, by the log's key."""
    latest = Event._base_manager.filter(subject_id=by.id, at__gt=now() - PER, action=DENIED)
    return latest.values_list("id", flat=True)[:EVENTS_MAX].count()


@retried
def _write(call: str, by: Actor) -> None:
    with atomic(Event):
        # One after another, or many at once would each find room for one more; and none about who is erased by now.
        asking = User._base_manager.select_for_update(no_key=True).filter(pk=by.id).values_list("pk").first()
        if asking and _written(by) < EVENTS_MAX:
            changes = {"call": {"old": None, "new": call[:200]}}
            write(recorded(subject_id=by.id, subject_kind="user", action=DENIED, by=by, at=now(), changes=changes))
