"""Write the whole directory into a file, as of one moment and in constant memory."""

import time
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from django.db.models import Max, Min

from populace.audit.dispatch import dispatch
from populace.audit.models import Event, Outbox
from populace.audit.tasks import upkeep
from populace.bulk.move.format import FORMAT, Foot, Head, Writer
from populace.bulk.move.schema import schema
from populace.bulk.move.tables import MOVED, columns, key, label
from populace.credentials.tasks import wrap_digests
from populace.infra.db.snapshots import snapshot
from populace.infra.files import new_private
from populace.infra.tasks.models import TaskRow

CHUNK = 1000  # rows in memory at once
LOOK_S = 0.2  # seconds between two looks at what is still to be done
AGAIN = (wrap_digests.module_path, upkeep.module_path)
"""Tasks that come anew wherever there is work for them: by an import, each hour."""


class NotReady(Exception):
    """This database cannot be exported now; the message says why."""


def export_as_is(path: Path, *, wait_s: float, report: Callable[[float], None]) -> Foot:
    """Write every row of MOVED to a new file at `path`, readable by its owner alone; returns the file's last line.

    First waits until every event is in the feed and no task is open, `wait_s` seconds at most: what follows from an
    event (a mail) must happen here or there, not twice and not never. `report` gets the share written, 0 to 1.
    Raises NotReady, FileExistsError, OSError.
    """
    current = schema()
    if current is None:
        raise NotReady("the schema is not this version's: run `populace migrate` first")
    until = time.monotonic() + wait_s
    with new_private(path) as new:
        while True:
            with snapshot():
                events, tasks = _left()
                if not events and not tasks:
                    return _write(new, _head(current), report)
            if time.monotonic() >= until:
                raise NotReady(
                    f"{events} events and {tasks} tasks are not done with: is a worker running, and nobody writing?"
                )
            if not dispatch():
                time.sleep(LOOK_S)


def _left() -> tuple[int, int]:
    tasks = TaskRow.objects.exclude(state__in=TaskRow.OVER).exclude(name__in=AGAIN)
    return Outbox.objects.count(), tasks.count()


def _head(current: dict[str, str]) -> Head:
    ends = Event.objects.aggregate(first=Min("at"), last=Max("at"))
    return Head(
        populace=FORMAT,
        version=version("populace"),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        schema=current,
        unicode=unicodedata.unidata_version,
        counts={label(model): model._base_manager.count() for model in MOVED},
        months=[at.date().isoformat() for at in ends.values() if at],
    )


def _write(path: Path, head: Head, report: Callable[[float], None]) -> Foot:
    done, rows = 0, head.rows
    with path.open("wb") as file:
        writer = Writer(file, head)
        for model in MOVED:
            writer.table(label(model), columns(model))
            # By the key: the same rows are the same lines on every engine. (MariaDB sorts ids that are older than
            # version 7 in a way of its own: those of the shipped roles.)
            found = model._base_manager.order_by(*key(model)).values_list(*columns(model))
            for values in found.iterator(chunk_size=CHUNK):
                writer.row(values)
                done += 1
                if done % CHUNK == 0:
                    report(done / rows)
        return writer.finish()
