"""Jobs that are over are forgotten after actions.KEPT: files first, so that none is left without a row.

Files without a row come from who was killed between the two, or by a backup that was restored: they are looked for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from uuid import UUID

import structlog
from django.db import router
from django.db.models import Model
from django.utils.timezone import now

from populace.bulk.actions import KEPT
from populace.bulk.models import BulkTarget, Job, JobError, JobFile
from populace.infra.storage import Unavailable, remove_all, storage

JOBS = 20  # of one round
ROWS = 10_000  # rows of one statement
STATEMENTS = 100  # that delete rows, of one round: a job may have millions, and a round has one lease

FOLDER = "jobs/"
KEYS = 1_000  # files looked at in one round: what a bucket tells at a time

GRACE = KEPT + timedelta(days=1)
"""How old a file is, by its job's id, before it can be nobody's. A job's own would be gone by then: so whoever shares a
folder with another installation by mistake loses nothing that was still wanted."""

log = structlog.get_logger(__name__)

_seen = [""]  # the key that the last round of this process ended with


def delete_expired() -> bool:
    """Delete some of what is over; True where there may be more."""
    ids = list(
        Job._base_manager.filter(expires_at__lte=now()).order_by("expires_at").values_list("id", flat=True)[:JOBS]
    )
    left = STATEMENTS
    with _later() as later:
        for job_id in ids:
            remove_all(f"{FOLDER}{job_id}/")
            JobFile._base_manager.filter(job_id=job_id).delete()
            for model, key in ((JobError, "row"), (BulkTarget, "user_id")):
                while left and _delete_rows(model, job_id, key):
                    left -= 1
            if not left:
                return True
            Job._base_manager.filter(pk=job_id).delete()
    return len(ids) == JOBS and not later


def _delete_rows(model: type[Model], job_id: UUID, key: str) -> bool:
    """Delete the first ROWS of a job's rows of a table, in the order of their key; False where there was none."""
    rows = model._base_manager.filter(job_id=job_id).order_by(key).values_list(key, flat=True)
    for last in list(rows[:ROWS])[-1:]:
        model._base_manager.filter(job_id=job_id, **{f"{key}__lte": last})._raw_delete(router.db_for_write(model))
        return True
    return False


def delete_leftovers() -> bool:
    """Delete files of which no job knows, among some of all; True until every file has been looked at."""
    until = (now() - GRACE).timestamp() * 1000
    with _later() as later:
        keys = list(islice(storage().keys(FOLDER, after=_seen[0]), KEYS))
        ids = {key: id for key in keys if (id := _job_of(key)) and _made_ms(id) < until}
        known = set(Job._base_manager.filter(id__in=set(ids.values())).values_list("id", flat=True))
        for key in (key for key, id in ids.items() if id not in known):
            storage().remove(key)
        _seen[0] = keys[-1] if len(keys) == KEYS else ""
    return bool(_seen[0]) and not later


@contextmanager
def _later() -> Iterator[list[Unavailable]]:
    """Leave the rest to the next hour where the storage is out of reach: what is gained then tells why."""
    gained: list[Unavailable] = []
    try:
        yield gained
    except Unavailable as error:
        gained.append(error)
        log.warning("storage_unavailable", reason=str(error))


def _job_of(key: str) -> UUID | None:
    """Return the job whose file this is; None for what is none of ours."""
    try:
        id = UUID(key.split("/")[1])
    except (ValueError, IndexError):
        return None
    return id if id.version == 7 else None


def _made_ms(id: UUID) -> int:
    """Return when an id was made, in milliseconds since 1970: UUIDv7 begins with it (RFC 9562 section 5.7)."""
    return id.int >> 80
