"""The XML of a workbook's parts, read as it comes: rows of cells, texts, and elements by name.

Nothing grows with the file: not with its depth, its widest row, its longest text or its longest tag.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple
from xml.parsers import expat

from populace.bulk.errors import FileRefused

COLUMNS_MAX = 1000
TEXT_MAX = (1 << 17) + 1  # characters of a text that are kept: one more than a row may have
DEPTH_MAX = 32  # elements in each other; a sheet has six
TOKEN_MAX = 4 << 20  # bytes of one tag

NO_WORKBOOK = "is no workbook that an import can read; save it as .xlsx anew, or as CSV"

_place = re.compile(r"([A-Z]{1,3})(\d{1,7})", re.ASCII).fullmatch


class Cell(NamedTuple):
    """A cell that is not empty."""

    column: int  # from 0
    kind: str  # its attribute `t`
    style: str
    text: str  # its value as it stands there, or the place of a shared text


class SheetRow(NamedTuple):
    """A row of the sheet; `cells` end at COLUMNS_MAX, and `is_too_wide` then."""

    number: int
    cells: list[Cell]
    is_too_wide: bool = False


class TextReader:
    """Gives the text of each element `in_text` to `done`; what stands in `rPh` is how a text is pronounced."""

    def __init__(self, in_text: str, done: Callable[[str], None]) -> None:
        self._of, self._done = in_text, done
        self._depth = 0
        self._is_in = self._reads = False
        self._skips = 0
        self._text: list[str] = []
        self._size = 0

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        """Take the beginning of an element."""
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise FileRefused(NO_WORKBOOK)
        name = _local(name)
        if name == self._of:
            self._is_in, self._size = True, 0
            self._text.clear()
        elif name == "rPh":
            self._skips += 1
        self._reads = name in ("t", "v") and self._is_in and not self._skips
        self.began(name, attributes)

    def end(self, name: str) -> None:
        """Take the end of an element."""
        self._depth -= 1
        self._reads = False
        name = _local(name)
        if name == "rPh":
            self._skips -= 1
        elif name == self._of:
            self._is_in = False
            self._done("".join(self._text))
        self.ended(name)

    def text(self, data: str) -> None:
        """Take a piece of text."""
        if self._reads and self._size < TEXT_MAX:
            self._text.append(data[: TEXT_MAX - self._size])
            self._size += len(data)

    def began(self, name: str, attributes: dict[str, str]) -> None:
        """Take the beginning of what is no text."""

    def ended(self, name: str) -> None:
        """Take its end."""


class SheetReader(TextReader):
    """Gives each row of a sheet to `done`."""

    def __init__(self, done: Callable[[SheetRow], None]) -> None:
        super().__init__("c", self._cell_ended)
        self._row_done = done
        self._number = self._column = 0
        self._kind = self._style = ""
        self._cells: list[Cell] = []
        self._is_too_wide = False

    def began(self, name: str, attributes: dict[str, str]) -> None:
        """Begin a row or a cell."""
        if name == "row":
            told = attributes.get("r", "")
            self._number = int(told) if told.isdecimal() and len(told) < 8 else self._number + 1
            self._column, self._cells, self._is_too_wide = 0, [], False
        elif name == "c":
            found = _place(attributes.get("r", ""))
            self._column = _column(found[1]) if found else self._column
            self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "0")

    def ended(self, name: str) -> None:
        """End a row."""
        if name == "row" and (self._cells or self._is_too_wide):
            self._row_done(SheetRow(self._number, self._cells, self._is_too_wide))

    def _cell_ended(self, text: str) -> None:
        if self._column >= COLUMNS_MAX:
            self._is_too_wide = self._is_too_wide or bool(text)
        elif text:
            self._cells.append(Cell(self._column, self._kind, self._style, text))
        self._column += 1


class Beginnings(TextReader):
    """Gives each element's name and attributes to `each`."""

    def __init__(self, each: Callable[[str, dict[str, str]], None]) -> None:
        super().__init__("", lambda text: None)
        self._each = each

    def began(self, name: str, attributes: dict[str, str]) -> None:
        """Take an element."""
        self._each(name, {_local(key): value for key, value in attributes.items()})


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def parser_of(reader: TextReader) -> expat.XMLParserType:
    """Return a parser that gives the reader what it meets."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = reader.begin, reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse  # entities are declared there: no workbook has any
    return parser


def _refuse(*_: object) -> None:
    raise FileRefused(NO_WORKBOOK)


def feed(chunks: Iterator[bytes], reader: TextReader) -> None:
    """Give a reader a whole part; "" is one that is not there."""
    parser, given = parser_of(reader), 0
    for chunk in chunks:
        given += len(chunk)
        parse(parser, chunk, given)
    if given:
        parse(parser, b"", given, is_final=True)


def parse(parser: expat.XMLParserType, chunk: bytes, given: int, *, is_final: bool = False) -> None:
    """Give a parser the next bytes, with the number of all so far. Raises FileRefused."""
    try:
        parser.Parse(chunk, is_final)
    except expat.ExpatError:
        raise FileRefused(NO_WORKBOOK) from None
    if given - max(parser.CurrentByteIndex, 0) > TOKEN_MAX:
        raise FileRefused(NO_WORKBOOK)


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1
