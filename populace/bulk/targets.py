"""Whom a job is about: settled once, into rows of its own, before anybody is changed.

The first AT_ONCE people are found and stored while it is asked for, with the job; the rest by the job's first chunks,
in the order of an index, so that nobody is judged twice. A job that finds more people than were confirmed does nothing;
who joined after it was asked for is none of them.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import TextField, Value
from django.db.models.functions import Cast, Concat

from populace.bulk.chosen import Chosen
from populace.bulk.models import BulkTarget
from populace.bulk.walks import Walk
from populace.infra.db.documents import DATETIME_FORMAT, Json
from populace.users.pages import Key

AT_ONCE = 10_000
"""People found while somebody waits, and stored."""

INSERT_ROWS = 1_000

LINE = Concat(Cast(Json("uuid", "id"), TextField()), Value(" ", TextField()), Json("datetime", "date_joined"))
"""Somebody as they are found: id, and when they joined as documents write it."""


def some_of(chosen: Chosen, key: Key, *, joined_by: datetime, most: int) -> tuple[list[UUID], Key]:
    """Return people behind `key`, about `most`, and the key that the next begin behind; () after the last."""
    if chosen.ids is not None:
        return list(chosen.ids), ()
    until, found, walk = joined_by.strftime(DATETIME_FORMAT), list[UUID](), Walk(chosen.listing, LINE)
    while True:
        step = walk.step(key)
        people = (line.decode().split(" ") for line in step.lines)
        found += [UUID(id) for id, joined in people if joined <= until]
        if not (key := step.key or ()) or len(found) >= most:
            return found, key


def store(job_id: UUID, user_ids: Iterable[UUID], *, row: int) -> None:
    """Note people as a job's, the first at this place; whoever is so already stays."""
    rows = [BulkTarget(job_id=job_id, user_id=one, row=place) for place, one in enumerate(user_ids, row)]
    BulkTarget._base_manager.bulk_create(rows, batch_size=INSERT_ROWS, ignore_conflicts=True)


def count_of(job_id: UUID) -> int:
    """Return how many people a job is about."""
    return BulkTarget.objects.filter(job_id=job_id).count()


def behind(job_id: UUID, user_id: UUID, rows: int) -> Sequence[BulkTarget]:
    """Return the next of a job's people, in the order of their ids."""
    return list(BulkTarget.objects.filter(job_id=job_id, user_id__gt=user_id).order_by("user_id")[:rows])
