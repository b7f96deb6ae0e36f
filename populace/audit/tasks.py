"""Upkeep, each hour, of what the infrastructure and the domains have registered."""

from collections.abc import Callable

import structlog
from django.db import Error, connections
from django.tasks import task

from populace.audit.models import Event
from populace.infra.db.partitions import ensure_month_partitions, missing_months
from populace.infra.tasks.chores import CHORES
from populace.infra.tasks.current import Again, keep
from populace.infra.telemetry import metrics

UPKEEP_S = 3600  # seconds between two rounds

log = structlog.get_logger(__name__)


@task(queue_name="bulk")
def upkeep() -> None:
    """Make partitions ahead and delete what is over; goes on at the back of its lane where there is more to delete.

    What the database refuses is logged and tried again in the next round.
    """
    more = [_tried(chore) for chore in (make_partitions, *CHORES)]
    if any(more):
        raise Again


def make_partitions() -> bool:
    """Make the log's partitions of the months to come; False, for there is never more."""
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
    keep()
    try:
        return chore()
    except Error as error:
        log.error("worker_chore_failed", chore=chore.__name__, error=type(error).__name__)
        return False
