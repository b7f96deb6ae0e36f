"""`populace task`: what waits, what was given up, and what becomes of that."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import typer

from populace.cli.directory import directory
from populace.cli.output import REFUSED, USAGE, Failure, result

tasks = typer.Typer(help="Background tasks.", no_args_is_help=True, rich_markup_mode=None)

SHOWN = 100  # tasks of a list, unless --limit says otherwise
BATCH = 500  # dead letters that are looked up at once

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


@tasks.command("list")
def list_tasks(
    dead: Annotated[bool, typer.Option("--dead", help="Those that were given up, instead of those that wait.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most.")] = SHOWN,
    as_json: AsJson = False,
) -> None:
    """Print tasks, most urgent lane first. On a terminal a task is a line; --json has all of its error."""
    with directory():
        from populace.infra.tasks.models import TaskRow

        states = [TaskRow.DEAD] if dead else [TaskRow.OPEN, TaskRow.SENT]
        for row in TaskRow.objects.filter(state__in=states).order_by("lane", "due_at")[:limit]:
            values = _shown(row)
            if as_json:
                result(values, as_json=True)
            else:
                told = (values["id"], values["lane"], values["due_at"], values["attempts"], values["task"])
                print(*told, " ".join(values["error"].split("\n")[:1]), flush=True)


def _shown(row: Any) -> dict[str, Any]:
    from populace.infra.tasks.engines.base import NAMES

    return {
        "id": str(row.id),
        "task": row.name,
        "lane": NAMES.get(row.lane, str(row.lane)),
        "attempts": row.attempts,
        "enqueued_at": row.enqueued_at.isoformat(timespec="seconds"),
        "due_at": row.due_at.isoformat(timespec="seconds"),
        "error": row.error,
    }


@tasks.command("retry")
def retry(
    id: Annotated[UUID | None, typer.Argument(help="Of a task that was given up.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every task that was given up.")] = False,
    as_json: AsJson = False,
) -> None:
    """Have a task that was given up run again, with all its tries. The log keeps who did it."""
    if (id is None) is not all_:
        raise Failure(USAGE, "task retry: an ID or --all, one of the two")
    with directory():
        from populace.audit.dead_letters import retry_task

        done = _all(retry_task) if id is None else _one(retry_task, id)
    result({"retried": done}, as_json=as_json)


@tasks.command("drop")
def drop(id: Annotated[UUID, typer.Argument(help="Of a task that was given up.")], as_json: AsJson = False) -> None:
    """Remove a task that was given up. The log keeps who did it."""
    with directory():
        from populace.audit.dead_letters import drop_task

        done = _one(drop_task, id)
    result({"dropped": done}, as_json=as_json)


def _one(verb: Callable[..., None], id: UUID) -> int:
    from populace.audit.actors import SYSTEM
    from populace.audit.dead_letters import NotDead

    try:
        verb(id, by=SYSTEM)
    except NotDead:
        raise Failure(REFUSED, "not_found: no task of this id was given up") from None
    return 1


def _all(verb: Callable[..., None]) -> int:
    from django.utils.timezone import now

    from populace.audit.actors import SYSTEM
    from populace.audit.dead_letters import NotDead, dead_ids

    began, done = now(), 0  # what is given up again meanwhile is not retried again
    while ids := dead_ids(BATCH, began):
        before = done
        for id in ids:
            try:
                verb(id, by=SYSTEM)
                done += 1
            except NotDead:  # somebody else was faster
                continue
        if done == before:
            break
    return done
