"""The worker's loop: dispatch, claim, run; with nothing to do, one cheap statement every POLL_S."""

import itertools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from django.db import Error, InterfaceError, OperationalError, connections
from django.db.models import Exists, Subquery
from django.utils import timezone

from populace.audit.dispatch import dispatch
from populace.audit.models import Counter, Event, Outbox
from populace.infra.db.causes import cause_of
from populace.infra.db.compiled import Compiled, Param
from populace.infra.db.partitions import ensure_month_partitions, missing_months
from populace.infra.mail import waiting as mail_waiting
from populace.infra.tasks.chores import CHORES
from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.queue import LANES, Lost, claim, hand_back
from populace.infra.tasks.run import run
from populace.infra.telemetry import metrics

POLL_S = 0.7  # seconds: 1.4 statements a second when idle, and mail leaves within two polls of the commit
BULK_FIRST = 8  # every so many claims start at the least urgent lane, or busy urgent lanes would starve it
CHORES_S = 3600  # seconds between two rounds of upkeep
PAUSE_S = (0.5, 5)  # seconds to wait for a lost database: at first, doubled each time, and at most

DUE = TaskRow.objects.filter(state=TaskRow.OPEN, due_at__lte=Param("now", TaskRow._meta.get_field("due_at")))
# From the counter's one row, since the ORM has no SELECT without a table. Compiled: the ORM would spend 2 ms on it at
# every poll.
LOOK = Compiled(
    Counter.objects.filter(name="feed").values_list(
        Subquery(Outbox.objects.order_by("id").values("at")[:1]),
        *(Exists(DUE.filter(lane=lane)) for lane in LANES.values()),
    )
)

log = structlog.get_logger(__name__)
_claims = itertools.count(1)


def work(stop: threading.Event) -> None:
    """Work until `stop` is set: the row in hand is finished, rows claimed but not begun are handed back.

    A database that does not answer is waited for, for ever. Anything else unexpected ends the process, loudly: its
    supervisor starts it anew, and leases bring back what it had claimed.
    """
    chores_at, pause_s = 0.0, 0.0
    while not stop.is_set():
        try:
            if time.monotonic() >= chores_at:
                chores_at = time.monotonic() + (0 if chores() else CHORES_S)
            mail_waiting.observe()
            busy = step(stop)
        except Error as error:
            if not isinstance(error, OperationalError | InterfaceError) and cause_of(error) is None:
                raise
            pause_s = _lost(error, pause_s)
            stop.wait(pause_s)
            continue
        if pause_s:
            log.info("worker_database_back")
            pause_s = 0.0
        if not busy:
            stop.wait(POLL_S)


def step(stop: threading.Event | None = None) -> int:
    """Do one batch of events and one batch of tasks, if there are any; returns how many of both.

    0 also where another worker was faster. With `stop` set no further row is begun.
    """
    waiting, lanes = look()
    done = dispatch() if waiting else 0
    rows = claim(lanes[-1] if next(_claims) % BULK_FIRST == 0 else lanes[0]) if lanes else []
    for row in rows:
        try:
            if stop and stop.is_set():
                hand_back(row)
            else:
                run(row)
        except Lost:
            log.warning("task_lease_lost", task=row.name, id=str(row.id))
    return done + len(rows)


def look() -> tuple[bool, list[int]]:
    """Return (events wait, lanes with something due, most urgent first): one statement, each part an index probe."""
    now = timezone.now()
    row = LOOK.row(now=now)
    if row is None:  # never idle in silence while mail waits
        raise RuntimeError("the feed's counter is missing: the database is not migrated, or was emptied by hand")
    oldest, *due = row
    age = (now - _time(oldest)).total_seconds() if oldest else 0
    metrics.OUTBOX_OLDEST.set(max(age, 0))
    return oldest is not None, [lane for lane, found in zip(LANES.values(), due, strict=True) if found == b"t"]


def _time(text: bytes) -> datetime:
    # SQLite and MariaDB store UTC without saying so.
    at = datetime.fromisoformat(text.decode())
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def chores() -> bool:
    """Make partitions ahead and delete what is over; True where there is more to delete.

    What the database refuses is logged and tried again in the next round: no task waits for upkeep.
    """
    more = [_tried(chore) for chore in (_make_partitions, *CHORES)]
    return any(more)


def _make_partitions() -> bool:
    alias = "owner" if "owner" in connections else "default"
    try:
        ensure_month_partitions(Event, "at", using=alias)
    finally:
        missing = missing_months(Event, using=alias)
        metrics.PARTITIONS_MISSING.set(len(missing))
        if missing:
            log.error("partitions_missing", names=missing)
        if alias == "owner":
            connections["owner"].close()  # an hour of idling would only find out that it was cut
    return False


def _tried(chore: Callable[[], bool]) -> bool:
    try:
        return chore()
    except Error as error:
        log.error("worker_chore_failed", chore=chore.__name__.strip("_"), error=type(error).__name__)
        return False


def _lost(error: Error, pause_s: float) -> float:
    """Count a failed statement, log the first of an incident, drop the connections; returns how long to wait (s)."""
    metrics.DB_ERRORS.inc()
    if not pause_s:
        log.error("worker_database_lost", error=type(error).__name__)
    connections.close_all()
    first, most = PAUSE_S
    return min(pause_s * 2 or first, most)
