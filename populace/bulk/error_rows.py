"""A job's bad rows as a file, read from the database as it is sent."""

import csv
import io
import json
from collections.abc import Iterator

from populace.bulk.kinds import KINDS, BadRows
from populace.bulk.models import Job
from populace.bulk.reads import errors_of, with_errors
from populace.infra.formula import guarded

ROWS = 500  # rows of one block

HEAD = ("row", "code", "reason", "sent")


def file_of(job: Job) -> BadRows | None:
    """Return a job's bad rows in the shape of the file that they came in, else as CSV; None where there are none."""
    if not with_errors([job]):
        return None
    made = KINDS[job.kind].errors
    return made(job) if made else BadRows("csv", csv_of(job))


def csv_of(job: Job) -> Iterator[bytes]:
    """Yield a CSV of a job's bad rows, each as sent in one cell of JSON."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEAD)
    for number, error in enumerate(errors_of(job.id), 1):
        sent = error.sent if isinstance(error.sent, str) else json.dumps(error.sent, ensure_ascii=False)
        writer.writerow((error.row, error.code, error.reason, guarded(sent)))
        if number % ROWS == 0:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()
