"""One claimed row: call its function and mark what came of it."""

import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from django.db import Error, transaction
from django.tasks import TaskContext
from django.utils import timezone
from django.utils.json import normalize_json

from populace.infra.tasks.arguments import Unfit, check
from populace.infra.tasks.backend import result_of
from populace.infra.tasks.current import MARGIN_S, Again, running
from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.queue import KEEP_DAYS, LEASE_S, TRIES, AnyTask, Lost, backoff_s, mark, put_back, renew
from populace.infra.tasks.registry import WHEN_DEAD, Rejected, registered
from populace.infra.telemetry import metrics

ERROR_CHARACTERS = 4000  # kept of an error: enough for the innermost frames, too little to hoard argument values
FRAMES = 12  # innermost frames of a traceback that are kept

log = structlog.get_logger(__name__)


class Abandoned(Exception):
    """Whoever ran the task died, at every try."""


def run(row: TaskRow, ending: Callable[[], bool] = lambda: False) -> None:
    """Run one claimed row and mark it: done, due again, at once or after a pause, or a dead letter after TRIES.

    `ending` tells the task whether the worker wants to end. At least once: a process that dies between the effect and
    the mark leaves a row that becomes due again. Raises Lost when somebody else has the row by now, and what the
    database raises while marking.
    """
    try:
        task = registered(row.name)
        check(task, row.args)
    except Rejected:
        return _reject(row, row.name, "rejected")  # a name of unknown origin is no metric label
    except Unfit as unfit:
        return _reject(row, f"{row.name}: {unfit}", row.name)
    if row.attempts > TRIES:
        return _bury(row, "abandoned", _text(Abandoned("its worker died at every try")))
    if row.due_at - timezone.now() < timedelta(seconds=LEASE_S - MARGIN_S):
        renew(row)  # the batch's earlier rows took long: what is left is less than the task may use (Running.until)
    try:
        with running(row, ending):
            value = _call(task, row)
        _finish(row, value)
    except Lost:
        raise
    except Again as again:
        return put_back(row, again.at)
    except Exception as error:
        return fail(row, error)
    return metrics.TASKS_DONE.labels(task=row.name).inc()


def _call(task: AnyTask, row: TaskRow) -> Any:
    before = [TaskContext(task_result=result_of(row, task))] if task.takes_context else []
    return normalize_json(task.call(*before, *row.args["args"], **row.args["kwargs"]))


def _finish(row: TaskRow, value: Any) -> None:
    now = timezone.now()
    mark(row, state=TaskRow.DONE, result=value, error="", finished_at=now, due_at=now + timedelta(days=KEEP_DAYS))


def fail(row: TaskRow, error: Exception) -> None:
    """Mark a claimed row as failed: due again after a pause, or a dead letter after TRIES. Raises Lost."""
    if row.attempts >= TRIES:
        return _bury(row, "failed", _text(error))
    next_try = timezone.now() + timedelta(seconds=backoff_s(row.attempts))
    return mark(row, due_at=next_try, started_at=None, error=_text(error))


def _reject(row: TaskRow, why: str, label: str) -> None:
    """Make a dead letter of a row that nothing is run for: nobody is told, for its arguments may be anybody's."""
    mark(row, state=TaskRow.DEAD, error=f"task.rejected\n{why}", finished_at=timezone.now())
    metrics.TASKS_DEAD.labels(task=label).inc()
    log.error("task_rejected", id=str(row.id))


def _bury(row: TaskRow, code: str, reason: str) -> None:
    """Make a dead letter of the row; whoever wants to know of it is told in the same transaction."""
    with transaction.atomic():
        mark(row, state=TaskRow.DEAD, error=reason, finished_at=timezone.now())
        if tell := WHEN_DEAD.get(row.name):
            _told(tell, row, code)
    metrics.TASKS_DEAD.labels(task=row.name).inc()


def _told(tell: Callable[[list[Any], dict[str, Any], str], None], row: TaskRow, code: str) -> None:
    try:
        with transaction.atomic():
            tell(row.args["args"], row.args["kwargs"], code)
    except Error:  # of the database, which has undone it all by now: another time
        raise
    except Exception:  # it would fail for ever, and the row would come back for ever
        log.exception("task_burial_not_told", task=row.name, id=str(row.id))


def _text(error: Exception) -> str:
    """Return the class path on the first line, then frames and message: ERROR_CHARACTERS of it."""
    frames = "".join(traceback.format_tb(error.__traceback__, limit=-FRAMES))
    message = "" if isinstance(error, Error) else error  # a database's repeats values: "Failing row contains …"
    text = f"{type(error).__module__}.{type(error).__qualname__}\n{frames}{message}"
    # PostgreSQL's text holds no NUL and no lone surrogate; a message may hold both.
    return text.encode(errors="replace").decode().replace("\x00", "?")[:ERROR_CHARACTERS]
