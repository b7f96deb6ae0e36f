"""Fill an empty database from a file of export.py: all of it, or nothing."""

import json
import unicodedata
from collections.abc import Callable, Iterator
from datetime import date
from itertools import batched, groupby
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from django.db import connections
from django.db.models import Model
from django.utils.timezone import now

from populace.audit.actions import recorded
from populace.audit.actors import Actor
from populace.audit.models import Counter, Event, Outbox
from populace.bulk.errors import FileRefused
from populace.bulk.move.format import ROW, Head, checked, head_of
from populace.bulk.move.schema import schema
from populace.bulk.move.tables import MOVED, SHIPPED, columns, label, reader
from populace.credentials.tasks import enqueue_wrapping
from populace.groups.guards import rights_changed
from populace.infra.db.partitions import ensure_month_partitions
from populace.infra.db.snapshots import filling
from populace.infra.db.write import write
from populace.users import attributes_kept

BATCH = 1000  # rows of one statement
MONTHS_MAX = 240  # of events that get a partition of their own; the rest lies in the default one

SUBJECT = uuid5(NAMESPACE_URL, "populace:directory")
"""What events about the directory as a whole are about, in every installation."""


class TargetRefused(Exception):
    """This database cannot take the file in; the message says why."""


def check(path: Path, *, report: Callable[[float], None]) -> Head:
    """Read the whole file and look at the database, change nothing; returns the file's first line.

    Raises FileRefused, TargetRefused.
    """
    head = head_of(path)
    for number, _ in enumerate(checked(path)):
        if number % BATCH == 0:
            report(min(number / max(head.rows, 1), 1))
    current = schema()
    if current is None:
        raise TargetRefused("the schema is not this version's: run `populace migrate` first")
    if current != head.schema:
        raise FileRefused(f"made with another schema: import it with version {head.version}, then upgrade")
    _refuse_unless_empty()
    return head


def import_as_is(path: Path, *, by: Actor, report: Callable[[float], None]) -> Head:
    """Take in every row of the file, as it is, and tell it in one event; returns the file's first line.

    The file is read twice: first to know that it is whole (half of what `report` gets, 0 to 1), then into one
    transaction. Ids, hashes, versions and times stay; the feed goes on behind its last position.
    Raises FileRefused, TargetRefused, and Django's database errors for a file that no export made.
    """
    head = check(path, report=lambda done: report(done / 2))
    _make_months(head.months)
    with filling(Outbox):  # where every verb writes to
        _refuse_unless_empty()  # somebody may have been faster
        for model in SHIPPED:
            model._base_manager.all().delete()
        done = 0
        for model, rows in groupby(_rows(path), key=lambda pair: pair[0]):
            for batch in batched((row for _, row in rows), BATCH, strict=False):
                model._base_manager.bulk_create(batch)
                done += len(batch)
                report(0.5 + done / max(head.rows, 1) / 2)
        rights_changed()
        counts = {name: {"old": 0, "new": count} for name, count in head.counts.items() if count}
        write(
            recorded(
                subject_id=SUBJECT,
                subject_kind="directory",
                action="directory.imported",
                by=by,
                at=now(),
                changes=counts,
                quiet=True,
            )
        )
    attributes_kept.forget()
    enqueue_wrapping()
    return head


def same_spelling(head: Head) -> bool:
    """Tell whether the keys of the file's identifiers were made with the tables of characters that this Python has."""
    return head.unicode == unicodedata.unidata_version


def _refuse_unless_empty() -> None:
    empty: list[type[Model]] = [Outbox, *(model for model in MOVED if model not in SHIPPED)]
    there = [label(model) for model in empty if model._base_manager.exists()]
    if there or Counter.objects.exclude(value=0).exists():
        raise TargetRefused(
            f"this database is not empty ({', '.join(there) or 'its feed has begun'}): "
            "make a new one, run `populace migrate` on it and nothing else"
        )


def _rows(path: Path) -> Iterator[tuple[type[Model], Model]]:
    """Yield (model, row) for every row; raises FileRefused at the end where the file is not what was written."""
    models = {label(model): model for model in MOVED}
    model: type[Model] = MOVED[0]
    read: Callable[[list[Any]], Model] = reader(model)
    for number, line in enumerate(checked(path)):
        try:
            values = json.loads(line)
            if line.startswith(ROW):
                yield model, read(values)
            elif number:
                model = models.pop(values["table"])
                if values["columns"] != columns(model):
                    raise FileRefused(f"damaged: other columns in {label(model)}")
                read = reader(model)
        except (ValueError, TypeError, AttributeError, KeyError):
            raise FileRefused(f"damaged: line {number + 1} cannot be read") from None


def _make_months(ends: list[str]) -> None:
    """Make the partitions of the months that the file's events are of: they would not be made behind the rows."""
    if not ends:
        return
    first, last = (date.fromisoformat(end) for end in ends)
    months = (last.year - first.year) * 12 + last.month - first.month
    alias = "owner" if "owner" in connections else "default"
    ensure_month_partitions(Event, "at", months_ahead=min(months, MONTHS_MAX), today=first, using=alias)
