"""Which functions a row may name."""

import sys

from django.tasks import Task

from populace.infra.tasks.queue import AnyTask


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
