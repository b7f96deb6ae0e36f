"""A database of tasks and a real `populace worker` with one engine, for the suite that all engines pass."""

import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.db import connections
from django.tasks import Task
from django.utils import timezone

from tests.support.installation import Installation
from tests.support.processes import BIN, start, stop, wait_until
from tests.support.supervised import descendants_of, is_alive

ALIAS = "crew"
TASKS = "tests.support.effects.tasks"


class Crew:
    """`put` a task, `row(id)`, `effects()`; `start()`, `stop()` and `kill()` the worker."""

    def __init__(self, folder: Path, blocker: Any, tasks_url: str) -> None:
        """Make the database; `blocker`: pytest-django's, for connections besides its own."""
        self.blocker, self.tasks_url = blocker, tasks_url
        settings = {"TASKS_URL": tasks_url, "DJANGO_SETTINGS_MODULE": "tests.support.effects.settings"}
        self.installation = Installation(folder, **settings)
        self.worker: subprocess.Popen[bytes] | None = None
        with blocker.unblock():
            self._connect(self.installation.env["DATABASE_URL"])

    def _connect(self, url: str) -> None:
        from config import engines

        self.drop_connection()
        databases = dict(connections.settings) | {ALIAS: engines.database("DATABASE_URL", url)}
        connections.settings = connections.configure_settings(databases)

    def drop_connection(self) -> None:
        """Close this process's connection."""
        if hasattr(connections._connections, ALIAS):
            connections[ALIAS].close()
            if close := getattr(connections[ALIAS], "close_pool", None):
                close()
            del connections[ALIAS]

    @contextmanager
    def rows(self):
        """Give the tasks' rows, as a manager."""
        from populace.infra.tasks.models import TaskRow

        with self.blocker.unblock():
            yield TaskRow.objects.using(ALIAS)

    def put(self, name: str, *args: Any, lane: str = "default", due_in_s: float = 0, **values: Any) -> UUID:
        """Insert a row of tests/support/effects/tasks.py (a dotted name: as it is); returns its id."""
        now, id = timezone.now(), uuid4()
        from populace.infra.tasks.queue import LANES

        due_at = now + timedelta(seconds=due_in_s)
        row = {"name": name if "." in name else f"{TASKS}.{name}", "args": {"args": list(args), "kwargs": {}}}
        with self.rows() as rows:
            rows.create(id=id, lane=LANES[lane], due_at=due_at, enqueued_at=now, **(row | values))
        return id

    def row(self, id: UUID) -> Any:
        """Return a row as it is now."""
        with self.rows() as rows:
            return rows.get(id=id)

    def age(self, **which: Any) -> None:
        """Have the time of rows come: of a pause, of a lease, of being on the way."""
        with self.rows() as rows:
            rows.filter(**which).update(due_at=timezone.now() - timedelta(seconds=1))

    def effects(self) -> list[str]:
        """Return what tasks have left."""
        path = self.installation.var / "effects"
        return path.read_text().splitlines() if path.exists() else []

    def log(self) -> str:
        """Return what the worker wrote."""
        return (self.installation.var / "worker.log").read_text()

    def start(self) -> None:
        """Start the worker."""
        with (self.installation.var / "worker.log").open("ab") as log:
            command = [str(BIN / "populace"), "worker"]
            self.worker = start(command, self.installation.env, stdout=log, stderr=log)

    def ready(self) -> None:
        """Return when each lane does something."""
        ids = [self.put("nothing", lane=lane) for lane in ("mail", "default", "bulk")]
        self.until(lambda: all(self.is_done(id) for id in ids), "every lane is served", 40)

    def is_done(self, id: UUID) -> bool:
        """Tell whether a row is done."""
        from populace.infra.tasks.models import TaskRow

        return bool(self.row(id).state == TaskRow.DONE)

    def until(self, condition: Callable[[], Any], what: str, seconds: float = 20) -> Any:
        """Return the first true value; where it does not come, fail with the worker's log."""
        try:
            return wait_until(condition, what, seconds)
        except TimeoutError as late:
            with self.rows() as rows:
                left = list(rows.exclude(state=1).values_list("name", "state", "attempts", "due_at", "error"))
            raise AssertionError(f"{late}\n{left}\n{self.log()[-3000:]}") from None

    def processes(self) -> list[int]:
        """Return the ids of the worker and everything below it."""
        return descendants_of(self.worker.pid) if self.worker else []

    def stop(self) -> int:
        """End the worker as an operator does; returns its exit code."""
        if self.worker is None:
            return 0
        code, self.worker = stop(self.worker, signal.SIGTERM, timeout_s=30), None
        return code

    def kill(self) -> None:
        """kill -9 the worker; Linux ends its children with it."""
        pids = self.processes()
        if self.worker:
            stop(self.worker, signal.SIGKILL)
            self.worker = None
        wait_until(lambda: not any(is_alive(pid) for pid in pids), "all of it has ended")

    def close(self) -> None:
        """End whatever runs."""
        if self.worker and self.worker.poll() is None:
            self.kill()
        with self.blocker.unblock():
            self.drop_connection()
        self.installation.stop()


def python(code: str, env: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a Python program beside the worker."""
    return start([sys.executable, "-c", code], env)


type Put = Callable[..., UUID]
type AnyTask = Task[..., Any]
