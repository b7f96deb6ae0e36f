"""JSON of people: a list, a list under a name, several of these behind each other, or an object a line."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from populace.bulk.errors import FileRefused
from populace.bulk.formats import lines
from populace.bulk.formats.json_stream import DECODER, JsonStream, NotJson
from populace.bulk.formats.source import Source
from populace.bulk.formats.text import read_text
from populace.bulk.rows import Row, unreadable

BROKEN = "Not JSON from here on: nothing below was read."


def rows(
    path: Path, to_row: lines.ToRow, what: str, *, member: str = "", keep: lines.Keep = lambda sent: True
) -> Iterator[Row]:
    """Yield what `to_row` makes of each object; `member` names their list, where an object holds it. What
    `keep` does not keep is no row and has no number.

    Raises FileRefused, also where there is nobody. `what` names the shape of each object, with its article.
    """
    found = (
        lines.rows(path, to_row, what, keep) if _has_lines(path, member) else _listed(path, to_row, what, member, keep)
    )
    first = next(found, None)
    if first is None:
        raise FileRefused(f"holds nobody: not {what}")
    yield first
    yield from found


def is_json(path: Path) -> bool:
    """Tell whether the file's first character is one of a JSON object or list."""
    with Source(path) as source:
        text = read_text(source.file).read(4096)
    return text.lstrip().startswith(("{", "["))


def _has_lines(path: Path, member: str) -> bool:
    with Source(path) as source:
        line = read_text(source.file, newline="\n").readline(lines.LINE_MAX)
    with suppress(ValueError, RecursionError):
        value = DECODER.decode(line.strip())
        return isinstance(value, dict) and not (member and member in value)
    return False


def _listed(path: Path, to_row: lines.ToRow, what: str, member: str, keep: lines.Keep) -> Iterator[Row]:
    number = 0
    with JsonStream(path) as stream:
        try:
            for _ in _elements(stream, member):
                if not keep(sent := stream.value()):
                    continue
                number += 1
                yield lines.read_row(number, stream.behind, sent, to_row, what)
        except NotJson:
            if not number:
                raise FileRefused(f"is not JSON, or holds no list of objects, each {what}") from None
            yield unreadable(number + 1, 1, BROKEN)


def _elements(stream: JsonStream, member: str) -> Iterator[None]:
    """Step to each object. Raises NotJson, also where there is no list of them."""
    while opening := stream.peek():  # pages of an API, one behind the other
        if opening == "[":
            yield from stream.elements()
            continue
        for name in stream.members():
            if name == member:
                yield from stream.elements()
            else:
                stream.skip()
