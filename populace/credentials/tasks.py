"""Wrap other systems' fast digests in Argon2id, some time after they came in: an import need not wait for it."""

import time
from datetime import timedelta
from uuid import UUID

import structlog
from django.tasks import task
from django.utils.timezone import now

from populace.credentials.actions import wrap_password
from populace.credentials.errors import HashTooCostly, HashUnknown
from populace.credentials.hashing import HashingBusy, sealed
from populace.infra.db.lookups import OfIndex
from populace.infra.tasks.models import TaskRow
from populace.users.models import BARE, User

NOBODY = UUID(int=0)  # before everybody
WORK_S = 20  # seconds that one task works: less than its lease
ROWS = 100  # digests of one look
PAUSE_S = 0.02  # seconds after each hash: whoever waits for the slot looks every 5 ms, and comes first

log = structlog.get_logger(__name__)


@task(queue_name="bulk")
def wrap_digests(behind: str = str(NOBODY)) -> None:
    """Wrap the bare digests of the people behind this id.

    Works for WORK_S, then goes on as another task. Run twice it wraps what is left; a password that changes meanwhile
    stays as changed. One that cannot be wrapped is passed over: doctor counts it.
    """
    until, place = time.monotonic() + WORK_S, UUID(behind)
    while rows := digests(place):
        for user_id, bare in rows:
            try:
                _wrap(user_id, bare)
            except HashingBusy as busy:
                later = now() + timedelta(seconds=busy.retry_after_s)
                wrap_digests.using(run_after=later).enqueue(str(place))
                return
            place = user_id
            if time.monotonic() > until:
                wrap_digests.enqueue(str(place))
                return


def enqueue_wrapping() -> None:
    """Have a worker wrap the bare digests, if there are any and none is about to: an import ends with this."""
    waiting = TaskRow.objects.filter(name=wrap_digests.module_path, started_at=None).exclude(state__in=TaskRow.OVER)
    if digests(limit=1) and not waiting.exists():
        wrap_digests.enqueue()


def look_for_digests() -> bool:
    """Do as the end of an import does, as a chore: whatever brought digests in, none stays bare for long."""
    enqueue_wrapping()
    return False


def digests(behind: UUID = NOBODY, limit: int = ROWS) -> list[tuple[UUID, str]]:
    """Return (person, bare digest) of the next people behind this id, by an index that holds nobody else."""
    bare = OfIndex("user_bare_password", password__startswith=BARE)
    found = User.objects.filter(bare, id__gt=behind).order_by("id")
    return list(found.values_list("id", "password")[:limit])


def _wrap(user_id: UUID, bare: str) -> None:
    try:
        wrap_password(user_id, bare=bare, wrapped=sealed(bare))
    except (HashUnknown, HashTooCostly):
        log.warning("digest_not_wrapped", user=str(user_id))
    time.sleep(PAUSE_S)
