"""The queue's table: put in, claim, renew, mark, hand back, delete. Every write of a claimer is fenced."""

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Least
from django.tasks import Task
from django.utils import timezone
from django.utils.json import normalize_json

from populace.infra.db.ids import new_id
from populace.infra.tasks.models import TaskRow
from populace.infra.telemetry import metrics

type AnyTask = Task[..., Any]  # an alias is not evaluated: Task takes parameters in the stubs only

LANES = {"mail": 0, "default": 1, "bulk": 2}
"""Queue name to lane, most urgent first. The numbers stand in rows: a new queue gets a new one."""

LEASE_S = 60  # seconds a claimer has before others may take the row; longer tasks renew
TRIES = 5  # claims of one row before it is a dead letter
MOST_TRIES, MOST_FENCE = 100, 2**62  # counted: one more must fit its column, whatever somebody wrote there
CLAIM_ROWS = 10  # rows a claim takes: spreads its four round trips, and bounds what a killed worker holds up
KEEP_DAYS = 7  # days a finished row, with its result, stays for whoever asks
DELETE_ROWS = 1000  # rows a statement deletes: some 10 ms, so that no claim waits for it


class Lost(Exception):
    """The lease ended and somebody else has the row: roll back whatever was done."""


def row_for(
    task: AnyTask, args: Sequence[Any], kwargs: Mapping[str, Any], now: datetime, id: UUID | None = None
) -> TaskRow:
    """Return the unsaved row of one call of `task`, due at `now` or its `run_after`.

    Raises TypeError where an argument is not JSON.
    """
    return TaskRow(
        id=id or new_id(),
        name=task.module_path,
        args=normalize_json({"args": list(args), "kwargs": dict(kwargs)}),
        lane=LANES[task.queue_name],
        due_at=task.run_after or now,
        enqueued_at=now,
    )


def claim(lane: int, limit: int = CLAIM_ROWS) -> list[TaskRow]:
    """Take up to `limit` due rows of a lane for LEASE_S, oldest first; none where others hold them all.

    First tries come in batches, a retry comes alone: a task that kills its process cannot use up its neighbours' tries.
    """
    now = timezone.now()
    until = now + timedelta(seconds=LEASE_S)
    with transaction.atomic():
        rows = _due(lane, now, limit)
        TaskRow.objects.filter(id__in=[row.id for row in rows]).update(due_at=until, started_at=now, **one_more())
    for row in rows:
        row.due_at, row.started_at = until, now
        row.fence, row.attempts = min(row.fence, MOST_FENCE) + 1, min(row.attempts, MOST_TRIES) + 1
    return rows


def one_more() -> dict[str, Combinable]:
    """Return what a claim counts, for an UPDATE."""
    return {"fence": Least(F("fence"), MOST_FENCE) + 1, "attempts": Least(F("attempts"), MOST_TRIES) + 1}


def due_rows(lane: int, now: datetime) -> QuerySet[TaskRow]:
    """Return the open rows of a lane that are due, oldest first, locked; those that others hold are left out."""
    # SQLite has no row locks and needs none: its transactions are IMMEDIATE, so one claimer is in here at a time.
    due = TaskRow.objects.filter(state=TaskRow.OPEN, lane=lane, due_at__lte=now).order_by("due_at")
    return due.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)


def _due(lane: int, now: datetime, limit: int) -> list[TaskRow]:
    rows = list(due_rows(lane, now)[:limit])
    if rows and rows[0].attempts:
        return rows[:1]
    return [row for row in rows if not row.attempts]


def mark(row: TaskRow, **values: Any) -> None:
    """Write columns of a claimed row, in the current transaction if there is one.

    Raises Lost when the claim is no longer ours; then nothing is written.
    """
    mine = TaskRow.objects.filter(id=row.id, fence=row.fence, state=TaskRow.OPEN)
    if not mine.update(**values):
        metrics.LEASES_LOST.inc()
        raise Lost(row.id)


def renew(row: TaskRow, **values: Any) -> None:
    """Start the lease of a claimed row anew: LEASE_S from now; writes other columns along. Raises Lost."""
    until = timezone.now() + timedelta(seconds=LEASE_S)
    mark(row, due_at=until, **values)
    row.due_at = until


def hand_back(row: TaskRow) -> None:
    """Give a claimed row that was not begun to whoever claims next, the try uncounted. Raises Lost."""
    mark(row, due_at=timezone.now(), started_at=None, attempts=F("attempts") - 1)


def put_back(row: TaskRow, at: datetime | None = None) -> None:
    """Send a claimed row to the back of its lane, or put it off until `at`, as if nobody had tried it. Raises Lost."""
    mark(row, due_at=at or timezone.now(), started_at=None, attempts=0, error="")


def backoff_s(attempts: int) -> float:
    """Return the seconds before the next try: about 2, 6, 18, 54.

    Half to one and a half times that at random, so that what failed together does not come back together.
    """
    return 2.0 * 3.0 ** (attempts - 1) * random.uniform(0.5, 1.5)  # noqa: S311


def delete_done() -> bool:
    """Delete finished rows whose KEEP_DAYS are over, at most DELETE_ROWS a lane; True where more may be left.

    Dead letters stay for longer: dead.py.
    """
    more = False
    for lane in LANES.values():
        over = TaskRow.objects.filter(state=TaskRow.DONE, lane=lane, due_at__lte=timezone.now()).order_by("due_at")
        ids = list(over.values_list("id", flat=True)[:DELETE_ROWS])
        TaskRow.objects.filter(id__in=ids).delete()
        more = more or len(ids) == DELETE_ROWS
    return more
