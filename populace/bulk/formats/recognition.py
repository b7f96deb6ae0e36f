"""Which format a file is of, told by what is in it, and how its parts become fields of ours."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from populace.bulk.errors import FileRefused, OptionRefused
from populace.bulk.formats import FORMATS, Mapped, tables
from populace.bulk.formats.json_stream import JsonStream, NotJson
from populace.bulk.formats.objects import is_json
from populace.bulk.formats.source import FILE_MAX, TOO_LARGE, starts_with
from populace.bulk.formats.text import MARKS, SHOWN
from populace.bulk.rows import NO_OPTIONS, Options

MEMBERS = {
    "realm": "keycloak",
    "users": "keycloak",
    "traits": "kratos",
    "identities": "kratos",
    "create": "kratos",
}
"""Names of members by which the first object of a file tells its format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """What a file is taken for: an import shows it, and a job keeps it with the options."""

    format: str
    encoding: str  # in words
    delimiter: str = ""  # of a CSV
    mapping: Mapped
    options: Options = field(
        repr=False
    )  # those given, and what was found out: the file is then read the same way again

    def shown(self) -> dict[str, Any]:
        """Return what people are shown; no option, some are secrets."""
        told: dict[str, Any] = {"format": self.format, "encoding": self.encoding}
        return told | ({"delimiter": self.delimiter} if self.delimiter else {}) | {"mapping": dict(self.mapping)}


def recognised(path: Path, file_format: str | None = None, options: Options = NO_OPTIONS) -> Recognised:
    """Return what the file is: of `file_format` where that is given. Raises FileRefused, OptionRefused."""
    if file_format is not None and file_format not in FORMATS:
        raise OptionRefused(f"unknown format; there are {', '.join(FORMATS)}")
    if path.stat().st_size > FILE_MAX:
        raise FileRefused(TOO_LARGE)
    if file_format in (None, "csv") and not (file_format is None and is_json(path)):
        return _table(path, file_format, options)
    name = file_format or _of_json(path)
    mark = starts_with(path, 3)
    encoding = next((found for start, found in MARKS if mark.startswith(start)), "utf-8")
    mapping = FORMATS[name].mapping
    assert not callable(mapping)
    return Recognised(format=name, encoding=SHOWN[encoding], mapping=mapping, options=options)


def _table(path: Path, file_format: str | None, options: Options) -> Recognised:
    how = tables.dialect(path, options)
    header = next(tables.records(path, how), None)
    cells = header.cells if header else []
    name = file_format or "csv"
    mapping = FORMATS[name].mapping
    return Recognised(
        format=name,
        encoding=how.shown,
        delimiter=how.delimiter,
        mapping=mapping(cells) if callable(mapping) else mapping,
        options={**options, "encoding": how.encoding, "delimiter": how.delimiter},
    )


def _of_json(path: Path) -> str:
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
