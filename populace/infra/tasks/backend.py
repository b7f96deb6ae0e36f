"""Django's tasks API on our own table."""

from __future__ import annotations  # Task and TaskResult take parameters in the stubs only

from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.exceptions import ValidationError
from django.tasks import Task, TaskResult, TaskResultStatus
from django.tasks.backends.base import BaseTaskBackend
from django.tasks.base import TaskError
from django.tasks.exceptions import TaskResultDoesNotExist
from django.utils import timezone

from populace.infra.tasks.arguments import check
from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.queue import LANES, row_for
from populace.infra.tasks.registry import Rejected, registered

STATUS = {TaskRow.DONE: TaskResultStatus.SUCCESSFUL, TaskRow.DEAD: TaskResultStatus.FAILED}


class DatabaseBackend(BaseTaskBackend):
    """The queue in the database.

    A queue name is a lane, and lanes are the only priority: an order by priority within a lane would have to read
    all that is due in it. Async functions are refused, since a worker runs one task at a time.
    """

    supports_defer = True
    supports_get_result = True

    def enqueue[**P, R](self, task: Task[P, R], args: list[Any], kwargs: dict[str, Any]) -> TaskResult[P, R]:
        """Insert the task's row in the current transaction: a rollback takes it back.

        Raises InvalidTask, or TypeError where an argument is not JSON, or not what the function takes.
        """
        self.validate_task(task)
        row = row_for(task, args, kwargs, timezone.now())
        check(task, row.args)
        row.save(force_insert=True)
        return result_of(row, task)

    def get_result(self, result_id: str) -> TaskResult[..., Any]:
        """Return what is known of a task; raises TaskResultDoesNotExist, also for a function that is gone."""
        try:
            row = TaskRow.objects.get(id=result_id)
            return result_of(row, registered(row.name))
        except (TaskRow.DoesNotExist, ValidationError, Rejected) as error:
            raise TaskResultDoesNotExist(result_id) from error

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """Refuse a queue that has no lane."""
        return [Error(f"The task queue {name!r} has no lane.", id="tasks.E001") for name in self.queues - set(LANES)]


def result_of[**P, R](row: TaskRow, task: Task[P, R]) -> TaskResult[P, R]:
    """Return Django's view of a row of `task`."""
    leased = row.started_at is not None and row.due_at > timezone.now()
    errors = [TaskError(exception_class_path=row.error.partition("\n")[0], traceback=row.error)] if row.error else []
    result: TaskResult[P, R] = TaskResult(
        task=task,
        id=str(row.id),
        status=STATUS.get(row.state, TaskResultStatus.RUNNING if leased else TaskResultStatus.READY),
        enqueued_at=row.enqueued_at,
        started_at=row.started_at,
        last_attempted_at=row.started_at,
        finished_at=row.finished_at,
        args=row.args["args"],
        kwargs=row.args["kwargs"],
        backend=task.backend,
        errors=errors,
        worker_ids=[""] * row.attempts,  # only their number is kept
    )
    object.__setattr__(result, "_return_value", row.result)  # frozen, and no other way to set it
    return result
