"""Which functions a row may name."""

import sys
from collections.abc import Callable
from typing import Any

from django.tasks import Task

from populace.infra.tasks.queue import AnyTask

WHEN_DEAD: dict[str, Callable[[list[Any], dict[str, Any], str], None]] = {}
"""By a task's import path, what to do when a row of it is given up: called in that transaction with the row's args,
its kwargs, and why: `failed` or `abandoned`."""


class Rejected(Exception):
    """The row names no task of ours: nothing is imported or run for it."""


def registered(name: str) -> AnyTask:
    """Return the task whose import path is `name`; raises Rejected.

    Looks only among modules loaded at the start (each app's `tasks`), so that a name out of the database can neither
    import anything nor reach a function that is not decorated with @task.
    """
    module, _, attribute = name.rpartition(".")
    found = getattr(sys.modules.get(module), attribute, None)
    if not isinstance(found, Task) or found.module_path != name:
        raise Rejected(name)
    return found
