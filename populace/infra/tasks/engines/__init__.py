"""The ways from a due row to whoever runs it, chosen by TASKS_URL: one module each."""

from importlib import import_module

from django.conf import settings

from populace.infra.tasks.engines.base import Engine


def chosen() -> Engine:
    """Return the engine of this installation; nothing is connected yet."""
    made: Engine = import_module(f"{__name__}.{settings.TASKS_ENGINE}").Engine(settings.TASKS_BROKER)
    return made
