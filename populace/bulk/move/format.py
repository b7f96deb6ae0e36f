"""The file that a directory moves in: gzip'd JSON Lines, described in docs/howto/move-and-backup.md.

    {"populace": 1, "version": …, "made_at": …, "schema": {…}, "unicode": …, "counts": {…}, "months": […]}
    {"table": "users.user", "columns": ["id", …]}
    ["0190a9b8-…", …]                                  one line a row, the tables one after another
    {"counts": {"users.user": 1, …}, "sha256": "…"}    of every byte above this line

A file without its last line is none: it was cut off.
"""

import gzip
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from populace.bulk.errors import FileRefused

FORMAT = 1
LINE_MAX = 16 << 20  # bytes; a body of the API is at most 1 MiB
ROW = b"["


@dataclass(frozen=True, slots=True)
class Head:
    """The first line: what made the file, and what is in it."""

    populace: int  # FORMAT
    version: str  # of Populace
    made_at: str
    schema: dict[str, str]  # app: its newest migration
    unicode: str  # version of the tables that the keys of identifiers were made with
    counts: dict[str, int]  # rows of each table
    months: list[str]  # days of the first and last event; none where there is none

    @property
    def rows(self) -> int:
        """Return how many rows the file has."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Foot:
    """The last line: what has been written above it."""

    counts: dict[str, int]
    sha256: str


class Writer:
    """Writes a file line by line; `finish` writes the last one."""

    def __init__(self, file: BinaryIO, head: Head) -> None:
        # Neither name nor time: the same directory gives the same bytes below the first line.
        self._file = gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0)
        self._digest = hashlib.sha256()
        self._counts: Counter[str] = Counter()
        self._table = ""
        self._write(asdict(head))

    def table(self, name: str, columns: list[str]) -> None:
        """Begin a table."""
        self._table = name
        self._counts[name] = 0
        self._write({"table": name, "columns": columns})

    def row(self, values: tuple[Any, ...]) -> None:
        """Write a row of the table that was begun last."""
        self._counts[self._table] += 1
        self._write(values)

    def finish(self) -> Foot:
        """Write the last line and return it."""
        foot = Foot(dict(self._counts), self._digest.hexdigest())
        self._write(asdict(foot))
        self._file.close()
        return foot

    def _write(self, line: Any) -> None:
        data = ENCODER.encode(line).encode() + b"\n"
        self._digest.update(data)
        self._file.write(data)


def _plain(value: Any) -> str:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    raise TypeError(f"{type(value).__name__} has no form in the file")


# Names in the order of letters: PostgreSQL keeps those of a JSON value in an order of its own.
ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain)


def head_of(path: Path) -> Head:
    """Return the first line; raises FileRefused where the file is of another kind, or of another format's version."""
    for line in _lines(path):
        try:
            values = json.loads(line)
            if values["populace"] != FORMAT:
                raise FileRefused(f"its format is {values['populace']}; this version reads {FORMAT}")
            return Head(**values)
        except (ValueError, TypeError, KeyError):
            break
    raise FileRefused("not a file of `populace export --as-is`")


def checked(path: Path) -> Iterator[bytes]:
    """Yield every line but the last, and raise FileRefused unless that one agrees with all that came before it.

    So whoever follows to the end knows that the file is whole; what it yields is not to be trusted until then.
    """
    digest, counts, table, behind = hashlib.sha256(), Counter[str](), "", b""
    for line in _lines(path):
        if behind:
            digest.update(behind)
            if behind.startswith(ROW):
                counts[table] += 1
            else:
                table = _table(behind)
                counts[table] = 0
            yield behind
        behind = line
    counts.pop("", None)  # the first line begins no table
    if _foot(behind) != Foot(dict(counts), digest.hexdigest()):
        raise FileRefused("damaged: what it holds is not what was written")


def _table(line: bytes) -> str:
    try:
        return str(json.loads(line).get("table", ""))
    except ValueError:
        raise FileRefused("damaged: a line is no JSON") from None


def _foot(line: bytes) -> Foot:
    try:
        return Foot(**json.loads(line))
    except (ValueError, TypeError):
        raise FileRefused("cut off: its last line is missing") from None


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path) as file:
            while line := file.readline(LINE_MAX + 1):
                if len(line) > LINE_MAX:
                    raise FileRefused(f"damaged: a line is longer than {LINE_MAX >> 20} MiB")
                yield line
    except EOFError:
        raise FileRefused("cut off: the compressed data ends early") from None
    except gzip.BadGzipFile:
        raise FileRefused("not a file of `populace export --as-is`, or damaged: no gzip") from None
    except zlib.error:
        raise FileRefused("damaged: it cannot be decompressed") from None
