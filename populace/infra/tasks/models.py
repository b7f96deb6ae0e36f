"""The queue: a task's row is the truth about it, whatever engine carries its id."""

import json
from typing import Any

from django.db import models

from populace.infra.db.ids import new_id


class Readable(json.JSONDecoder):
    """Reads what Python will not (numbers of 5,000 digits, 100,000 brackets) as null, which is no call of anything.

    Otherwise one row would keep a lane from reading any (A62).
    """

    def decode(self, s: str, *rest: Any) -> Any:
        """Return the value, or None."""
        try:
            return super().decode(s, *rest)
        except (ValueError, RecursionError):
            return None


class TaskRow(models.Model):
    """One task: what to run, when to look at it next, and what came of it."""

    OPEN, DONE, DEAD, SENT = 0, 1, 2, 3  # SENT: its id is on its way through a broker
    OVER = (DONE, DEAD)

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=200)  # registered name: the import path of the task function
    args = models.JSONField(default=dict, decoder=Readable)  # {"args": [...], "kwargs": {...}}
    lane = models.SmallIntegerField(default=1)  # of queue.LANES: 0 is served first
    state = models.SmallIntegerField(default=OPEN)
    # When somebody should look at the row next: its due time, the next try, the end of the present lease, or, once
    # it is done, the day to delete it. So a worker that dies needs no reaper: the row simply becomes due again.
    due_at = models.DateTimeField()
    fence = models.BigIntegerField(default=0)  # + 1 with every claim; each later write of the claimer names it
    attempts = models.SmallIntegerField(default=0)
    enqueued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    result = models.JSONField(null=True, decoder=Readable)
    error = models.TextField(default="")

    class Meta:
        # fields=[...], not positional: those would make an expression index, silently absent on MariaDB.
        indexes = [models.Index(fields=["state", "lane", "due_at"], name="task_due")]

    def __str__(self) -> str:
        return f"{self.name} {self.id}"
