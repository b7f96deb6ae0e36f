"""JSON Lines: a JSON object a line, UTF-8; blank lines count for nothing."""

import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

from populace.bulk.formats.json_stream import DECODER
from populace.bulk.rows import Row, unreadable

LINE_MAX = 1 << 20  # bytes

type ToRow = Callable[[int, float, dict[str, Any]], Row]
"""Makes a row of its number, the share that is behind, and the object; raises what objects of another shape raise."""


def rows(path: Path, to_row: ToRow, what: str) -> Iterator[Row]:
    """Yield what `to_row` makes of each line's object; the refusal of another shape names `what` it should be."""
    size, numbers = max(path.stat().st_size, 1), count(1)
    with path.open("rb") as file:
        for line in _lines(file):
            if line.strip():
                yield read_row(next(numbers), min(file.tell() / size, 1), _sent(line), to_row, what)


def read_row(number: int, behind: float, sent: Any, to_row: ToRow, what: str) -> Row:
    """Return the row of one person; an unreadable one for what is not of the format's shape."""
    if not isinstance(sent, dict):
        return unreadable(number, behind, f"Not {what}.", sent)
    try:
        return to_row(number, behind, sent)
    except (TypeError, AttributeError, ValueError, KeyError):  # some part has another shape
        return unreadable(number, behind, f"Not {what}.", sent)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield each line, of one that is too long the beginning."""
    while line := file.readline(LINE_MAX + 1):
        rest = line if len(line) > LINE_MAX else b""
        while rest and not rest.endswith(b"\n"):
            rest = file.readline(LINE_MAX)
        yield line


def _sent(line: bytes) -> Any:
    """Return the line's value, or the line itself as text where it holds none."""
    text = line.decode("utf-8-sig", "surrogateescape").strip()
    try:
        return DECODER.decode(text) if len(line) <= LINE_MAX else text
    except (json.JSONDecodeError, RecursionError):
        return text
