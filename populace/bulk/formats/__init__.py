"""The formats an import reads, one module each: `rows(path)` yields Row and BadRow or raises FileRefused."""

from collections.abc import Callable, Iterator
from pathlib import Path

from populace.bulk.formats import csv, keycloak
from populace.bulk.rows import BadRow, Row

FORMATS: dict[str, Callable[[Path], Iterator[Row | BadRow]]] = {"csv": csv.rows, "keycloak": keycloak.rows}

_LOOK = 4096  # bytes at the beginning that tell the format


def recognise(path: Path) -> str:
    """Return the name of the file's format: JSON is a realm of Keycloak, all else is CSV."""
    with path.open("rb") as file:
        start = file.read(_LOOK).removeprefix(b"\xef\xbb\xbf").lstrip()
    return "keycloak" if start.startswith((b"{", b"[")) else "csv"
