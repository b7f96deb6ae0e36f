"""The worker's loop: dispatch, and tell lanes what is due; with nothing to do, one cheap statement every POLL_S."""

import threading
from datetime import UTC, datetime
from typing import NamedTuple

from django.db.models import Exists, Subquery
from django.utils import timezone

from populace.audit.dispatch import dispatch
from populace.audit.models import Counter, Outbox
from populace.infra.db.compiled import Compiled, Param
from populace.infra.mail import waiting as mail_waiting
from populace.infra.tasks.engines.base import Engine
from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.outlasting import outlasting
from populace.infra.tasks.queue import LANES
from populace.infra.tasks.schedule import Ticks
from populace.infra.telemetry import metrics

POLL_S = 0.7  # seconds: 1.4 statements a second when idle, and mail leaves within two polls of the commit

DUE = TaskRow.objects.filter(state=TaskRow.OPEN, due_at__lte=Param("now", TaskRow._meta.get_field("due_at")))
# From the counter's one row, since the ORM has no SELECT without a table. Compiled: the ORM would spend 2 ms on it at
# every poll.
SENT = TaskRow.objects.filter(state=TaskRow.SENT, due_at__lte=Param("now", TaskRow._meta.get_field("due_at")))
LOOK = Compiled(
    Counter.objects.filter(name="feed").values_list(
        Subquery(Outbox.objects.order_by("id").values("at")[:1]),
        *(Exists(DUE.filter(lane=lane)) for lane in LANES.values()),
        Exists(SENT.filter(lane__in=LANES.values())),
    )
)


class Look(NamedTuple):
    """What there is to do: events wait, lanes with something due (most urgent first), ids that a broker keeps long."""

    events: bool
    due: list[int]
    late: bool


def work(stop: threading.Event, engine: Engine) -> None:
    """Work until `stop` is set: the rows in hand are finished, rows claimed but not begun are handed back.

    A database that does not answer is waited for, for ever. Anything else unexpected ends the process, loudly: its
    supervisor starts it anew, and leases bring back what it had claimed.
    """
    ticks = Ticks()

    def poll() -> None:
        engine.check()
        ticks.make()
        mail_waiting.observe()
        seen = look()
        if seen.late:
            engine.call_back()
        rest_s = engine.tell(seen.due)
        if not (seen.events and dispatch()):
            stop.wait(min(rest_s, POLL_S))

    with engine.serving(stop):
        outlasting(stop, poll)


def look() -> Look:
    """Return what there is to do: one statement, each part an index probe."""
    now = timezone.now()
    row = LOOK.row(now=now)
    if row is None:  # never idle in silence while mail waits
        raise RuntimeError("the feed's counter is missing: the database is not migrated, or was emptied by hand")
    oldest, *due, late = row
    age = (now - _time(oldest)).total_seconds() if oldest else 0
    metrics.OUTBOX_OLDEST.set(max(age, 0))
    lanes = [lane for lane, found in zip(LANES.values(), due, strict=True) if found == b"t"]
    return Look(oldest is not None, lanes, late == b"t")


def _time(text: bytes) -> datetime:
    # SQLite and MariaDB store UTC without saying so.
    at = datetime.fromisoformat(text.decode())
    return at if at.tzinfo else at.replace(tzinfo=UTC)
