"""Rows on their way through a broker: sent, taken by whoever gets the id, or back in the table when they were lost.

A lane has at most WINDOW rows on the way: the table is the queue, the broker a short pipe. So a broker that restarts
empty loses little, and half a million rows that are queued at once fill no broker's memory.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.queue import LEASE_S, due_rows, one_more

WINDOW = 200  # rows of a lane on the way at once
SENT_S = 30  # seconds after which a row that nobody has taken may count as lost
BUSY_S = 300  # seconds more in a lane where others wait: an id that is being taken is in no queue, and its row is sent


def send_off(lane: int) -> list[UUID]:
    """Mark due rows of a lane as sent, oldest first, as many as there is room for; returns their ids.

    None where less than half the window is free: few large batches cost less than many small ones.
    """
    now = timezone.now()
    room = WINDOW - on_the_way(lane)
    if room < WINDOW // 2:
        return []
    with transaction.atomic():
        ids = list(due_rows(lane, now).values_list("id", flat=True)[:room])
        until = now + timedelta(seconds=SENT_S)
        TaskRow.objects.filter(id__in=ids).update(state=TaskRow.SENT, due_at=until, started_at=None)
    return ids


def take(id: UUID) -> TaskRow | None:
    """Claim a row that was sent, for LEASE_S; None where there is none such, or somebody else has it.

    So an id that comes twice, comes late, or was made up, does nothing.
    """
    now = timezone.now()
    sent = TaskRow.objects.filter(id=id, state=TaskRow.SENT)
    taken = sent.update(
        state=TaskRow.OPEN,
        due_at=now + timedelta(seconds=LEASE_S),
        started_at=now,
        **one_more(),
    )
    # Not by the id alone: whoever stood still since the update may find somebody else's claim, or no row.
    return TaskRow.objects.filter(id=id, state=TaskRow.OPEN, started_at=now).first() if taken else None


def on_the_way(lane: int) -> int:
    """Return how many rows of a lane were sent and not taken yet."""
    return TaskRow.objects.filter(state=TaskRow.SENT, lane=lane).count()


def late(lane: int) -> bool:
    """Tell whether rows of a lane have been on the way for more than SENT_S."""
    return _late(lane).exists()


def call_back(lane: int, most: int, more_s: float = 0) -> int:
    """Have the oldest of the rows that were on the way for `more_s` longer than SENT_S sent again; returns how many."""
    ids = list(_late(lane, more_s).order_by("due_at").values_list("id", flat=True)[:most])
    return TaskRow.objects.filter(id__in=ids, state=TaskRow.SENT).update(state=TaskRow.OPEN)


def undo(ids: Sequence[UUID]) -> None:
    """Put rows back that could not be sent; those that somebody has taken all the same are left alone."""
    TaskRow.objects.filter(id__in=ids, state=TaskRow.SENT).update(state=TaskRow.OPEN, due_at=timezone.now())


def _late(lane: int, more_s: float = 0) -> QuerySet[TaskRow]:
    since = timezone.now() - timedelta(seconds=more_s)
    return TaskRow.objects.filter(state=TaskRow.SENT, lane=lane, due_at__lte=since)
