"""The bad rows of an import, in a CSV file beside it."""

import contextlib
import csv
import os
from pathlib import Path
from typing import IO

HEADER = ("row", "code", "reason")


class ErrorFile(contextlib.AbstractContextManager["ErrorFile", None]):
    """`NAME.errors.csv`: made with the first bad row, readable by the owner alone; that of an earlier try is removed.

    In a folder that cannot be written to, `written` stays None and the result alone tells the rows.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}.errors.csv")
        self._file: IO[str] | None = None
        self._impossible = False
        self.written: Path | None = None
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def write(self, row: int, code: str, reason: str) -> None:
        """Add a bad row."""
        if self._file is None and not self._impossible:
            self._open()
        if self._file:
            csv.writer(self._file).writerow((row, code, reason))

    def _open(self) -> None:
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            self._impossible = True
            return
        self._file = open(descriptor, "w", newline="", encoding="utf-8")  # noqa: SIM115 (closed by __exit__)
        self.written = self._path
        csv.writer(self._file).writerow(HEADER)

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()
