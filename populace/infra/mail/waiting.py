"""How long mail waits, for who watches."""

from datetime import datetime
from time import monotonic

from django.db.models import Min
from django.utils.timezone import now

from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.queue import LANES
from populace.infra.telemetry import metrics

LOOK_S = 15.0  # seconds between two looks
ROWS = 10_000  # mails of one look, those that are due first: some 10 ms

_next = 0.0


def observe() -> None:
    """Set `mail_oldest_seconds`, every LOOK_S; two statements, each by the queue's index."""
    global _next
    if monotonic() < _next:
        return
    _next = monotonic() + LOOK_S
    oldest = min(filter(None, (_oldest(state) for state in (TaskRow.OPEN, TaskRow.SENT))), default=None)
    metrics.MAIL_OLDEST.set(max((now() - oldest).total_seconds(), 0) if oldest else 0)


def _oldest(state: int) -> datetime | None:
    waiting = TaskRow.objects.filter(state=state, lane=LANES["mail"]).order_by("due_at")[:ROWS]
    oldest: datetime | None = waiting.aggregate(oldest=Min("enqueued_at"))["oldest"]
    return oldest
