"""Tasks that were given up: tried once more, or dropped, by somebody whom the log names."""

from datetime import datetime
from uuid import UUID

from django.utils.timezone import now

from populace.audit.actions import recorded
from populace.audit.actors import Actor
from populace.infra.db.retry import atomic, retried
from populace.infra.db.write import write
from populace.infra.tasks.models import TaskRow


class NotDead(Exception):
    """No dead letter has this id."""


@retried
def retry_task(id: UUID, *, by: Actor) -> None:
    """Have a dead letter run again, with all its tries. Raises NotDead."""
    with atomic(TaskRow):
        row = _locked(id)
        row.state, row.attempts, row.error, row.due_at = TaskRow.OPEN, 0, "", now()
        row.started_at = row.finished_at = None
        row.save(update_fields=["state", "attempts", "error", "due_at", "started_at", "finished_at"])
        _record(row, "task.retried", by)


@retried
def drop_task(id: UUID, *, by: Actor) -> None:
    """Remove a dead letter. Raises NotDead."""
    with atomic(TaskRow):
        row = _locked(id)
        TaskRow.objects.filter(id=id).delete()
        _record(row, "task.dropped", by)


def dead_ids(limit: int, until: datetime) -> list[UUID]:
    """Return the ids of up to so many dead letters that were given up by then."""
    dead = TaskRow.objects.filter(state=TaskRow.DEAD).exclude(finished_at__gt=until)
    return list(dead.values_list("id", flat=True)[:limit])


def _locked(id: UUID) -> TaskRow:
    row = TaskRow.objects.select_for_update().filter(id=id, state=TaskRow.DEAD).first()
    if row is None:
        raise NotDead
    return row


def _record(row: TaskRow, action: str, by: Actor) -> None:
    changes = {"task": {"old": row.name, "new": row.name if row.state == TaskRow.OPEN else None}}
    write(recorded(subject_id=row.id, subject_kind="task", action=action, by=by, at=now(), changes=changes))
