"""Periodic work: one table in code. A tick is a task's row whose id follows from name and time.

So two workers that see the same tick make one row, a worker that starts anew makes none twice, and after a pause
without any worker the last tick that was missed is made up for, once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid5

from django.utils import timezone

from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.queue import KEEP_DAYS, AnyTask, row_for

NAMESPACE = UUID("7c1f9a52-0a3d-4c55-9f0e-5a4b8f5a6d21")
LONGEST_S = KEEP_DAYS * 86_400 // 2  # a tick's row must outlive its period, or it would be made again


@dataclass(frozen=True, slots=True)
class Periodic:
    """A task that runs once in each period, counted from 1970-01-01 UTC, so at the same times whoever counts."""

    name: str
    period_s: int
    task: AnyTask

    def __post_init__(self) -> None:
        if not 0 < self.period_s <= LONGEST_S:
            raise ValueError(f"{self.name}: a period has 1 to {LONGEST_S} seconds")

    def tick(self, now: datetime) -> datetime:
        """Return the last time, up to `now`, at which it was due."""
        return datetime.fromtimestamp(now.timestamp() // self.period_s * self.period_s, UTC)


SCHEDULE: list[Periodic] = []
"""All periodic work; apps add theirs in `AppConfig.ready()`."""


class Ticks:
    """The ticks that one worker has seen to."""

    def __init__(self) -> None:
        self._seen: dict[str, datetime] = {}

    def make(self, schedule: Sequence[Periodic] | None = None) -> None:
        """Insert the rows of ticks that are new, where nobody else has; costs nothing where there is none."""
        now = timezone.now()
        due = [
            (one, at)
            for one in (SCHEDULE if schedule is None else schedule)
            if self._seen.get(one.name) != (at := one.tick(now))
        ]
        if due:
            rows = [
                row_for(one.task, [], {}, now, id=uuid5(NAMESPACE, f"{one.name} {at.isoformat()}")) for one, at in due
            ]
            TaskRow.objects.bulk_create(rows, ignore_conflicts=True)
            self._seen |= {one.name: at for one, at in due}
