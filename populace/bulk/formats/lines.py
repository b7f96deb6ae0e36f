"""JSON Lines: a JSON object a line; blank lines count for nothing."""

import json
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from itertools import count
from pathlib import Path
from typing import Any

from populace.bulk.formats.json_stream import DECODER
from populace.bulk.formats.source import Source
from populace.bulk.formats.text import read_text
from populace.bulk.rows import Row, unreadable

LINE_MAX = 1 << 20  # characters

type ToRow = Callable[[int, float, dict[str, Any]], Row]
"""Makes a row of its number, the share that is behind, and the object; raises what objects of another shape raise."""

type Keep = Callable[[Any], bool]


def rows(path: Path, to_row: ToRow, what: str, keep: Keep = lambda sent: True) -> Iterator[Row]:
    """Yield what `to_row` makes of each line's object; the refusal of another shape names `what` it should be.

    What `keep` does not keep is no row and has no number.
    """
    numbers = count(1)
    with Source(path) as source:
        for line in _lines(read_text(source.file, newline="\n")):
            if (text := line.strip()) and keep(sent := _sent(text)):
                yield read_row(next(numbers), source.behind, sent, to_row, what)


def read_row(number: int, behind: float, sent: Any, to_row: ToRow, what: str) -> Row:
    """Return the row of one person; an unreadable one for what is not of the format's shape."""
    if not isinstance(sent, dict):
        return unreadable(number, behind, f"Not {what}.", sent)
    try:
        return to_row(number, behind, sent)
    except (TypeError, AttributeError, ValueError, KeyError):  # some part has another shape
        return unreadable(number, behind, f"Not {what}.", sent)


def _lines(text: TextIOWrapper) -> Iterator[str]:
    """Yield each line, of one that is too long the beginning."""
    while line := text.readline(LINE_MAX + 1):
        rest = line if len(line) > LINE_MAX else ""
        while rest and not rest.endswith("\n"):
            rest = text.readline(LINE_MAX)
        yield line


def _sent(line: str) -> Any:
    """Return the line's value, or the line itself as text where it holds none."""
    try:
        return DECODER.decode(line) if len(line) <= LINE_MAX else line
    except (json.JSONDecodeError, RecursionError):
        return line
