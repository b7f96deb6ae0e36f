"""The bad rows of an import as they were sent, in a file beside it that can be mended and imported in its turn."""

import contextlib
import csv
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from populace.bulk.formats.fields import TOLD
from populace.bulk.formats.recognition import Recognised
from populace.bulk.rows import Row

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


class ErrorFile(contextlib.AbstractContextManager["ErrorFile", None]):
    """`NAME.errors.SUFFIX`: made with the first bad row, readable by the owner alone; an earlier one is removed.

    In a folder that cannot be written to, `written` stays None and the result alone tells the rows.
    """

    def __init__(self, path: Path, how: Recognised) -> None:
        self._source, self._how = path if path.name else path.resolve(), how  # "." has no name
        self._layout: Layout | None = None
        self._file: IO[str] | None = None
        self.written: Path | None = None
        for suffix in ("csv", "json", "jsonl"):
            with contextlib.suppress(OSError):
                self._path(suffix).unlink(missing_ok=True)

    def _path(self, suffix: str) -> Path:
        return self._source.with_name(f"{self._source.name}.errors.{suffix}")

    def write(self, row: Row, code: str, reason: str) -> None:
        """Add a bad row."""
        if self._layout is None:
            self._layout = layout_of(self._how)
            self._open(self._layout)
        elif self._file:
            self._file.write(self._layout.between)
        if self._file:
            self._file.write(self._layout.line((row.number, code, reason), row.sent))

    def _open(self, layout: Layout) -> None:
        path = self._path(layout.suffix)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            return
        # As it was read: bytes that are not UTF-8 are written as they were.
        self._file = open(descriptor, "w", newline="", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115 (closed by __exit__)
        self._file.write(layout.head)
        self.written = path

    def __exit__(self, *_: object) -> None:
        if self._file and self._layout:
            self._file.write(self._layout.foot)
            self._file.close()
