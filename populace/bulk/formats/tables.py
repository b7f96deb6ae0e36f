"""Tables of text under a header: the records of a CSV (RFC 4180), and how those of any table become rows."""

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from populace.bulk.errors import FileRefused, OptionRefused
from populace.bulk.formats.fields import TOLD
from populace.bulk.formats.source import Source
from populace.bulk.formats.text import SHOWN, encoding_of, known, read_text
from populace.bulk.rows import Options, Row, unreadable

RECORD_MAX = 1 << 17  # characters; a file without line ends must not fill the memory
RECORD_LINES_MAX = 1000  # an open quote must not take in the rest of the file
DELIMITERS = ",;\t|"

SENT_MAX = 1000  # characters that the error file keeps of a record that could not be split into cells

_quoted = re.compile(r'"[^"]*"')

type ToRow = Callable[[int, float, list[str], dict[str, str]], Row]
"""Makes a row of its number, the share that is behind, the cells as sent, and those that are not blank by column."""


class Dialect(NamedTuple):
    """How a CSV is written."""

    encoding: str  # one of text.SHOWN, or another that the operator named
    delimiter: str

    @property
    def shown(self) -> str:
        """The encoding as people are told."""
        return SHOWN.get(self.encoding, self.encoding)


class Record(NamedTuple):
    """A record of a table, the header's among them."""

    line: int  # where it begins, from 1
    behind: float  # see Row
    cells: list[str]  # where there is a fault: the beginning of its first line
    fault: str = ""


def dialect(path: Path, options: Options) -> Dialect:
    """Return how the file is written, as far as the options leave it open. Raises FileRefused, OptionRefused."""
    encoding = known(str(options["encoding"])) if options.get("encoding") else encoding_of(path)
    delimiter = str(options.get("delimiter") or "")
    if delimiter and delimiter not in DELIMITERS:
        raise OptionRefused("unknown delimiter; there are comma, semicolon, tab and |")
    if not delimiter:
        with Source(path) as source:
            header = _quoted.sub("", _Lines(read_text(source.file, encoding)).peek())
        delimiter = max(DELIMITERS, key=header.count)
    return Dialect(encoding, delimiter)


def records(path: Path, how: Dialect, *, escape: str | None = None) -> Iterator[Record]:
    """Yield each record, reading as it goes; blank lines are none. Raises FileRefused where the first one is broken.

    Behind `escape` a character stands for itself.
    """
    first = True
    with Source(path) as source:
        lines = _Lines(read_text(source.file, how.encoding))
        reader = csv.reader(lines, delimiter=how.delimiter, escapechar=escape, strict=True)
        while True:
            line = lines.begin()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, _TooLong):
                if first:
                    raise FileRefused("has a header that is too long, or whose quotes are out of place") from None
                reason, sent = lines.give_up()
                yield Record(line, source.behind, [sent], reason)
                continue
            if cells:
                first = False
                yield Record(line, source.behind, cells)


def rows(
    found: Iterator[Record], columns: Sequence[str], to_row: ToRow, encoding: str = "UTF-8", *, behind: int = 0
) -> Iterator[Row]:
    """Yield a row for each record below a header of these columns; they are in our words or in the format's own.

    The first `behind` records are only counted.
    """
    is_told = not {*TOLD}.isdisjoint(columns)
    for number, record in enumerate(islice(found, behind, None), behind + 1):
        sent = without_told(columns, record.cells) if is_told else record.cells
        fault = record.fault or _fault(columns, record, sent, encoding)
        if fault:
            yield unreadable(number, record.behind, fault, record.cells if record.fault else sent)
        else:
            pairs = zip(columns, record.cells, strict=True)
            given = {name: cell for name, cell in pairs if cell.strip()}
            for name in TOLD if is_told else ():
                given.pop(name, None)
            yield to_row(number, record.behind, sent, given)


def check_columns(columns: Sequence[str], *, one_of: Sequence[str]) -> None:
    """Raise FileRefused where a header names a column twice, or none of these."""
    if not set(columns) & set(one_of):
        raise FileRefused(f"has in its header none of the columns {', '.join(one_of)}")
    if len(set(columns)) < len(columns):
        raise FileRefused("has a header that names a column twice")


def without_told(columns: Sequence[str], cells: Sequence[str]) -> list[str]:
    """Return the cells but those that an error file added."""
    return [cell for place, cell in enumerate(cells) if place >= len(columns) or columns[place] not in TOLD]


def _fault(columns: Sequence[str], record: Record, sent: Sequence[str], encoding: str) -> str:
    if len(record.cells) != len(columns):
        told = len(record.cells) - len(sent)
        return f"Line {record.line}: {len(sent)} cells under a header of {len(columns) - told}."
    try:
        "".join(sent).encode()
    except UnicodeEncodeError:
        return f"Line {record.line}: not {encoding}."
    return ""


class _TooLong(Exception):
    """A record has more lines or characters than any person's."""


class _Lines(Iterator[str]):
    """The file's lines for csv.reader; raises _TooLong. Those behind the first of a bad record are given once more."""

    def __init__(self, text: TextIOWrapper) -> None:
        self._text = text
        self._record: list[str] = []  # given since begin()
        self._size = 0  # its characters
        self._again: deque[str] = deque()
        self._given = 0  # lines of the file

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._read()
        if not line:
            raise StopIteration
        self._record.append(line)
        self._size += len(line)
        self._given += 1
        if len(self._record) > RECORD_LINES_MAX or self._size > RECORD_MAX:
            raise _TooLong
        return line

    def _read(self) -> str:
        """Return the next line, of one that is too long the beginning."""
        line = self._text.readline(RECORD_MAX + 1)
        rest = line if len(line) > RECORD_MAX else ""
        while rest and not rest.endswith(("\n", "\r")):
            rest = self._text.readline(RECORD_MAX)
        return line

    def peek(self) -> str:
        """Return the next line, which stays the next."""
        if not self._again:
            self._again.append(self._read())
        return self._again[0]

    def begin(self) -> int:
        """Begin a record; returns the number of its first line."""
        self._record.clear()
        self._size = 0
        return self._given + 1

    def give_up(self) -> tuple[str, str]:
        """Say where the record went wrong and how its first line begins, and go on with the line behind that."""
        sent = self._record[0][:SENT_MAX].rstrip("\r\n")
        last, first = self._given, self._given - len(self._record) + 1
        self._again.extendleft(reversed(self._record[1:]))
        self._given = first
        reason = f"Line {first}: quotes are out of place, or it is too long."
        if last == first:
            return reason, sent
        return f"{reason} Its quote was looked for up to line {last}; line {first + 1} counts as the next row.", sent
