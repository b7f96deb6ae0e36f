"""Rows of the queue as tests make, age and run them."""

from datetime import timedelta

from django.utils import timezone

from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.queue import LANES, claim
from populace.infra.tasks.run import run


def age(seconds, **which):
    """Have these rows be due for so long."""
    TaskRow.objects.filter(**which).update(due_at=timezone.now() - timedelta(seconds=seconds))


def run_next(queue_name="default"):
    """Claim the one row that is due in a lane, run it and return it as it is then."""
    [row] = claim(LANES[queue_name])
    run(row)
    row.refresh_from_db()
    return row


def put(name, **values):
    """Make a row, due now."""
    now = timezone.now()
    return TaskRow.objects.create(name=name, args={"args": [], "kwargs": {}}, due_at=now, enqueued_at=now, **values)
