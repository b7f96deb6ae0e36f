"""The two rows that every change of state brings along."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models

from populace.audit.actors import Actor
from populace.audit.models import Event, Outbox

Changes = Mapping[str, Mapping[str, Any]]
"""`{field: {"old": …, "new": …}}`, JSON values only, never a secret."""


def recorded(
    *,
    subject_id: UUID,
    subject_kind: str,
    action: str,
    by: Actor,
    at: datetime,
    changes: Changes | None = None,
    quiet: bool = False,
) -> list[models.Model]:
    """Return the event and its outbox row, unsaved: a verb hands them to the same `write()` as the change itself.

    `action` reads `user.created`; `at` is aware. A quiet event reaches the feed but has no consequences.
    """
    event = Event(
        subject_id=subject_id,
        subject_kind=subject_kind,
        action=action,
        actor=by.id,
        at=at,
        request_id=by.request_id,
        details={"changes": dict(changes or {}), "address": by.address, "user_agent": by.user_agent},
    )
    outbox = Outbox(event_id=event.id, subject_id=subject_id, action=action, at=at, quiet=quiet)
    return [event, outbox]
