"""A JSON text (RFC 8259) read piece by piece: one value of it lies in memory, however long the text is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from populace.bulk.formats.source import Source
from populace.bulk.formats.text import read_text

VALUE_MAX = 8 << 20  # characters of one value that is read at once
CHUNK = 64 << 10  # characters

_BLANK = " \t\r\n"
_NUMBER_MAX = 400  # digits; Python refuses to make a number of more than 4,300


class NotJson(ValueError):
    """The text breaks the rules of JSON, or one value of it is longer than VALUE_MAX."""


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= _NUMBER_MAX else float("inf")


DECODER = json.JSONDecoder(parse_int=_number)


class JsonStream:
    """Steps through a text. Whoever is given a member or an element takes its value, or skips it, before the next.

    Every method raises NotJson.
    """

    def __init__(self, source: Path | Source) -> None:
        self._source = source if isinstance(source, Source) else Source(source)
        # Bytes that are no text become lone surrogates, which no value may hold.
        self._text = read_text(self._source.file)
        self._buffer, self._at, self._ended = "", 0, False

    def __enter__(self) -> "JsonStream":
        return self

    def __exit__(self, *_: object) -> None:
        self._source.__exit__()

    @property
    def behind(self) -> float:
        """The share of the file that has been read."""
        return self._source.behind

    def peek(self) -> str:
        """Return the next character that is not blank, which stays the next; '' at the end."""
        while True:
            while self._at < len(self._buffer):
                if self._buffer[self._at] not in _BLANK:
                    return self._buffer[self._at]
                self._at += 1
            if not self._more():
                return ""

    def value(self) -> Any:
        """Return the next value, whole."""
        self.peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                if not self._more():
                    raise NotJson from error
            except RecursionError as error:
                raise NotJson from error
            else:
                # What ends where the buffer does may go on behind it, as a number's digits do.
                if end < len(self._buffer) or not self._more():
                    self._at = end
                    return value

    def elements(self) -> Iterator[None]:
        """Step to each element of the array that comes next."""
        yield from self._items("[", "]")

    def members(self) -> Iterator[str]:
        """Step to each value of the object that comes next and give its name."""
        for _ in self._items("{", "}"):
            name = self.value() if self.peek() == '"' else None
            if name is None or self.peek() != ":":
                raise NotJson
            self._at += 1
            yield name

    def skip(self) -> None:
        """Pass the next value over, a large one in parts."""
        opening = self.peek()
        try:
            if opening == "{":
                for _ in self.members():
                    self.skip()
            elif opening == "[":
                for _ in self.elements():
                    self.value()
            else:
                self.value()
        except RecursionError as error:
            raise NotJson from error

    def _items(self, opening: str, closing: str) -> Iterator[None]:
        self._take(opening)
        if self.peek() == closing:
            self._at += 1
            return
        while True:
            yield
            if self.peek() == closing:
                self._at += 1
                return
            self._take(",")

    def _take(self, character: str) -> None:
        if self.peek() != character:
            raise NotJson
        self._at += 1

    def _more(self) -> bool:
        """Read on behind what is not taken yet, twice as far each time; False at the end of the file."""
        rest = self._buffer[self._at :]
        if self._ended:
            return False
        if len(rest) > VALUE_MAX:
            raise NotJson
        read = self._text.read(max(CHUNK, len(rest)))
        self._ended = not read
        self._buffer, self._at = rest + read, 0
        return bool(read)
