"""Upkeep, done once an hour (populace/audit/tasks.py)."""

from collections.abc import Callable

from populace.infra.tasks.dead import delete_dead
from populace.infra.tasks.queue import delete_done

CHORES: list[Callable[[], bool]] = [delete_done, delete_dead]
"""Each deletes some of what is over and tells whether there is more. Apps add theirs in `AppConfig.ready()`."""
