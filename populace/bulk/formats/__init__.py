"""The formats an import reads, one module each: `rows(path)` yields Row or raises FileRefused."""

from collections.abc import Callable, Iterator
from pathlib import Path

from populace.bulk.errors import FileRefused
from populace.bulk.formats import csv, jsonl, keycloak, kratos
from populace.bulk.formats.json_stream import JsonStream, NotJson
from populace.bulk.rows import Row

FORMATS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "csv": csv.rows,
    "jsonl": jsonl.rows,
    "keycloak": keycloak.rows,
    "kratos": kratos.rows,
}

MEMBERS = {
    "realm": "keycloak",
    "users": "keycloak",
    "traits": "kratos",
    "identities": "kratos",
    "create": "kratos",
}
"""Names of members by which the first object of a file tells its format."""

_LOOK = 4096  # bytes at the beginning, blanks among them, that tell JSON from CSV


def recognise(path: Path) -> str:
    """Return the name of the file's format. Raises FileRefused for JSON that tells none."""
    with path.open("rb") as file:
        start = file.read(_LOOK).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start.startswith((b"{", b"[")):
        return "csv"
    try:
        with JsonStream(path) as stream:
            if stream.peek() == "{":
                return _of_object(stream) or "jsonl"
            for _ in stream.elements():
                if found := _of_object(stream):
                    return found
                break
    except NotJson:
        pass
    raise FileRefused("is no JSON that an import knows; say what it is with --format")


def _of_object(stream: JsonStream) -> str:
    for name in stream.members():
        if found := MEMBERS.get(name):
            return found
        stream.skip()
    return ""
