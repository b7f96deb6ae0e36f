"""What follows from an event: tasks the dispatcher creates once the event is committed.

Domains register theirs in `AppConfig.ready()`, so the worker knows them all before its first dispatch.
"""

from populace.infra.tasks.queue import AnyTask

CONSEQUENCES: dict[str, list[AnyTask]] = {}
"""Action to tasks, in order of registration; each is called with `(event_id, subject_id)`, both as text."""


def on(action: str, task: AnyTask) -> None:
    """Let `task` follow every event called `action` that is not quiet. Registering it again changes nothing.

    It runs at least once, so it must bear a repeat; `event_id` is the same then.
    """
    tasks = CONSEQUENCES.setdefault(action, [])
    if task not in tasks:
        tasks.append(task)
