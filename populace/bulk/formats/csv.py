"""CSV (RFC 4180): a header of field names, comma, semicolon or tab, UTF-8 with or without a byte order mark."""

import csv
import difflib
import itertools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import NamedTuple

from populace.bulk.errors import FileRefused
from populace.bulk.formats.fields import FLAGS, IDENTIFIERS, NEITHER, TEXTS, TOLD, stored_hash
from populace.bulk.formats.json_stream import read_text
from populace.bulk.rows import Row, unreadable
from populace.users.errors import Invalid

RECORD_MAX = 1 << 17  # characters; a file without line ends must not fill the memory
RECORD_LINES_MAX = 1000  # an open quote must not take in the rest of the file
DELIMITERS = ",;\t"

SENT_MAX = 1000  # characters that the error file keeps of a record that could not be split into cells

COLUMNS = (*TEXTS, *FLAGS, "password", "password_hash")
ATTRIBUTE = "attributes."
"""Prefix of a column that holds a free attribute, as text."""

_BOOLEANS = dict.fromkeys(("true", "1", "yes"), True) | dict.fromkeys(("false", "0", "no"), False)
_SPELLINGS = {name.replace("_", ""): name for name in (*COLUMNS, *TOLD)}


class Header(NamedTuple):
    """The first record of a file: its cells as sent, and what parts them."""

    cells: list[str]
    delimiter: str


def header(path: Path) -> Header:
    """Return the header without what an error file adds, of a file that rows() reads."""
    with path.open("rb") as raw:
        lines = _Lines(read_text(raw))
        delimiter = _delimiter(lines.peek())
        cells = next(csv.reader(lines, delimiter=delimiter, strict=True))
    return Header(_without_told([_column(cell.strip()) for cell in cells], cells), delimiter)


def rows(path: Path) -> Iterator[Row]:
    """Yield each row below the header, reading as it goes; blank lines are no rows. Raises FileRefused."""
    size = max(path.stat().st_size, 1)
    with path.open("rb") as raw:
        lines = _Lines(read_text(raw))  # what is not UTF-8 spoils its own row only
        reader = csv.reader(lines, delimiter=_delimiter(lines.peek()), strict=True)
        columns = _columns(reader)
        numbers = itertools.count(1)
        while True:
            lines.begin()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, _TooLong):
                reason, sent = lines.give_up()
                behind = min(raw.tell() / size, 1)
                yield unreadable(next(numbers), behind, reason, [sent])
                continue
            if cells:
                yield _row(next(numbers), min(raw.tell() / size, 1), columns, cells)


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

    def begin(self) -> None:
        """Begin a record."""
        self._record.clear()
        self._size = 0

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


def _delimiter(header: str) -> str:
    return max(DELIMITERS, key=header.count)


def _columns(reader: Iterator[list[str]]) -> list[str]:
    """Return the header in our names: case, spaces, dashes and underscores make no difference."""
    try:
        header = next(reader, [])
    except (csv.Error, _TooLong):
        raise FileRefused("the header's quotes are out of place, or it is too long") from None
    columns = [_column(cell.strip()) for cell in header]
    if not set(columns) & set(IDENTIFIERS):
        raise FileRefused(f"the header has none of the columns {', '.join(IDENTIFIERS)}")
    if len(set(columns)) < len(columns):
        raise FileRefused("the header names a column twice")
    return columns


def _column(cell: str) -> str:
    if cell.startswith(ATTRIBUTE) and cell != ATTRIBUTE:
        return cell
    plain = cell.casefold().replace("_", "").replace("-", "").replace(" ", "")
    if plain in _SPELLINGS:
        return _SPELLINGS[plain]
    near = difflib.get_close_matches(cell.casefold(), COLUMNS, 1)
    # Nothing is dropped in silence; what the contract does not know can come along as an attribute.
    advice = f"did you mean {near[0]}?" if near else f"name it {ATTRIBUTE}NAME to keep it as an attribute"
    words = cell.replace(" ", "_").replace("-", "_")
    shown = f" {cell}" if words.isascii() and words.isidentifier() and len(cell) <= 40 else ""  # else: no header, data
    raise FileRefused(f"unknown column{shown}: {advice}")


def _without_told(columns: Sequence[str], cells: Sequence[str]) -> list[str]:
    return [cell for place, cell in enumerate(cells) if place >= len(columns) or columns[place] not in TOLD]


def _row(number: int, behind: float, columns: Sequence[str], cells: Sequence[str]) -> Row:
    sent = _without_told(columns, cells)
    if len(cells) != len(columns):
        told = len(cells) - len(sent)
        reason = f"{len(sent)} cells under a header of {len(columns) - told}."
        return unreadable(number, behind, reason, sent)
    given = {column: cell for column, cell in zip(columns, cells, strict=True) if cell.strip()}
    try:
        "".join(sent).encode()
    except UnicodeEncodeError:
        return unreadable(number, behind, "Not UTF-8.", sent)
    faults: list[Invalid] = []
    values: dict[str, object] = {name: given[name].strip() for name in TEXTS if name in given}
    if attributes := {n.removeprefix(ATTRIBUTE): v.strip() for n, v in given.items() if n.startswith(ATTRIBUTE)}:
        values["attributes"] = attributes
    return Row(
        number=number,
        behind=behind,
        sent=sent,
        values=values,
        password=given.get("password", ""),
        password_hash=stored_hash(given.get("password_hash", "").strip(), faults),
        is_active=_flag(given, "is_active", faults),
        email_verified=_flag(given, "email_verified", faults),
        faults=tuple(faults),
    )


def _flag(given: Mapping[str, str], name: str, faults: list[Invalid]) -> bool | None:
    if name not in given:
        return None
    said = _BOOLEANS.get(given[name].strip().casefold())
    if said is None:
        faults.append(Invalid("invalid", NEITHER, name))
    return said
