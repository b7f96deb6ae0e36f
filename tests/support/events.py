"""Events of no verb, as many as a test wants."""

from datetime import UTC, datetime, timedelta

from populace.audit.models import Event
from populace.infra.db.ids import new_id

AT = datetime(2026, 5, 4, 3, 2, 1, 123456, tzinfo=UTC)


def happen(number, at=AT, **columns):
    """Store so many events, a microsecond apart; return their ids, newest first."""
    columns = {"subject_id": new_id(), "actor": new_id(), "action": "x.y", "subject_kind": "user"} | columns
    rows = [Event(at=at + timedelta(microseconds=n), details=None, **columns) for n in range(number)]
    Event._base_manager.bulk_create(rows)
    return [str(row.id) for row in reversed(rows)]
