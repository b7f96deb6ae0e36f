"""The rows of a file to import, checked, in blocks that fit into memory and into a transaction."""

import json
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from populace.audit.actors import Actor
from populace.bulk.candidates import Candidate, candidate
from populace.bulk.formats import FORMATS
from populace.bulk.formats.recognition import Recognised
from populace.bulk.rows import BEHIND, Row

PASSWORDS = 50  # in plain text in one block: each takes some 30 ms to hash
CHARACTERS = 2 << 20  # of a block's rows as they were sent: bad ones are written with a block, in several copies


def blocks(
    path: Path, how: Recognised, *, behind: int, most: Callable[[], int], by: Callable[[], Actor]
) -> Iterator[list[Candidate]]:
    """Yield the rows behind the first `behind`, at most `most()` a block, checked for `by()`. Raises FileRefused."""
    made = FORMATS[how.format]
    rows = made.rows(path, {**how.options, BEHIND: behind})
    if not made.skips:
        rows = islice(rows, behind, None)
    while block := list(_some(rows, most())):
        actor = by()
        yield [candidate(row, by=actor) for row in block]


def _some(rows: Iterator[Row], most: int) -> Iterator[Row]:
    passwords = characters = 0
    for row in islice(rows, most):
        yield row
        passwords += bool(row.password)
        characters += size_of(row.sent)
        if passwords == PASSWORDS or characters > CHARACTERS:
            return


def size_of(sent: Any) -> int:
    """Return about how many characters a row has, as it was sent."""
    if isinstance(sent, list) and all(type(cell) is str for cell in sent):
        return sum(map(len, sent))
    return len(sent) if isinstance(sent, str) else len(json.dumps(sent))


def apart[T](found: Iterator[T], wait: Callable[[Future[T | None]], T | None], *, ahead: bool = True) -> Generator[T]:
    """Yield the same, made in a thread that asks no database; the caller `wait`s for it (Running.wait).

    `ahead`: the next one is made while the caller is at the one before.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="reading") as thread:
        coming = thread.submit(next, found, None)
        while (one := wait(coming)) is not None:
            if ahead:
                coming = thread.submit(next, found, None)
            yield one
            if not ahead:
                coming = thread.submit(next, found, None)
