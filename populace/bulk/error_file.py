"""The bad rows of an import as they were sent, in a file that can be mended and imported in its turn."""

import contextlib
import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from typing import Any

from populace.bulk.formats.fields import TOLD
from populace.bulk.formats.recognition import Recognised
from populace.bulk.kinds import MEDIA, BadRows
from populace.bulk.models import Job
from populace.bulk.reads import errors_of

ROWS = 500  # rows of one block

type Told = tuple[int, str, str]
"""Number of the row, code and reason."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file of bad rows is written."""

    suffix: str
    line: Callable[[Told, Any], str]  # of what is told of a row, and the row as sent
    head: str = ""
    between: str = "\n"
    foot: str = "\n"


LISTS = {"keycloak": "users", "firebase": "users", "cognito": "Users"}
"""Under which name the format's JSON has its people."""


def layout_of(how: Recognised) -> Layout:
    """Return the layout in which the format's own reader takes the rows back."""
    if how.delimiter or how.format == "xlsx":
        return _csv(how)
    if name := LISTS.get(how.format):
        return Layout("json", _object, head=f'{{"{name}": [\n', between=",\n", foot="\n]}\n")
    if how.format in ("jsonl", "kratos"):
        return Layout("jsonl", _object)
    return Layout("json", _object, head="[\n", between=",\n", foot="\n]\n")


def _csv(how: Recognised) -> Layout:
    """Put what is told before the row's own cells: those of a bad row may be too many or too few."""

    def line(told: tuple[Any, ...], sent: Any) -> str:
        text = io.StringIO()
        cells = [*sent, "", *told] if how.format == "firebase" else [*told, *(sent or ())]  # its columns are counted
        escape = "\\" if how.format == "cognito" else None
        csv.writer(text, delimiter=how.delimiter or ",", lineterminator="", escapechar=escape).writerow(cells)
        return text.getvalue()

    # Whoever has a file in another encoding opens it with a program that knows UTF-8 by its mark alone.
    mark = "" if how.encoding == "UTF-8" else "\ufeff"
    return Layout("csv", line, head=mark + ("" if how.format == "firebase" else line(TOLD, list(how.mapping)) + "\n"))


def _object(told: Told, sent: Any) -> str:
    told_of = dict(zip(TOLD, told, strict=True))
    # Escaped: what is not UTF-8 in the row could not be written.
    return json.dumps((sent if isinstance(sent, dict) else {"sent": sent}) | told_of)


def bad_rows(job: Job) -> BadRows:
    """Return the file of an import's bad rows, read from the database as it is sent."""
    layout = layout_of(Recognised.again(job.position["how"]))
    return BadRows(layout.suffix, _blocks(job, layout))


def _blocks(job: Job, layout: Layout) -> Iterator[bytes]:
    before = layout.head
    for errors in batched(errors_of(job.id), ROWS, strict=False):
        lines = [
            layout.line((error.row, error.code, error.reason), json.loads(error.sent or "null")) for error in errors
        ]
        # As it was read: bytes that are not UTF-8 are written as they were.
        yield (before + layout.between.join(lines)).encode("utf-8", "surrogateescape")
        before = layout.between
    yield layout.foot.encode()


def write_beside(source: Path, found: BadRows | None) -> Path | None:
    """Write `NAME.errors.SUFFIX` beside a file, readable by the owner alone, and remove an earlier one.

    Returns its path; None where there are no bad rows, or the folder cannot be written to.
    """
    for suffix in MEDIA:
        with contextlib.suppress(OSError):
            _beside(source, suffix).unlink(missing_ok=True)
    if found is None:
        return None
    path = _beside(source, found.suffix)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        return None
    with open(descriptor, "wb") as file:
        file.writelines(found.blocks)
    return path


def _beside(source: Path, suffix: str) -> Path:
    named = source if source.name else source.resolve()  # "." has no name
    return named.with_name(f"{named.name}.errors.{suffix}")
