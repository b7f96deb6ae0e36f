"""Dead letters stay for whoever wants to know or retry, but not for ever."""

from datetime import timedelta

from django.utils import timezone

from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.queue import DELETE_ROWS, LANES

DEAD_DAYS = 90  # days a dead letter stays


def delete_dead() -> bool:
    """Delete dead letters older than DEAD_DAYS, at most DELETE_ROWS a lane; True where more may be left."""
    over, more = timezone.now() - timedelta(days=DEAD_DAYS), False
    for lane in LANES.values():
        # `due_at`, the end of the last lease, is when they died, to a minute; it stands in the queue's index.
        dead = TaskRow.objects.filter(state=TaskRow.DEAD, lane=lane, due_at__lte=over).order_by("due_at")
        ids = list(dead.values_list("id", flat=True)[:DELETE_ROWS])
        TaskRow.objects.filter(id__in=ids).delete()
        more = more or len(ids) == DELETE_ROWS
    return more
