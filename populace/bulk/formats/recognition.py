"""Which format a file is of, told by what is in it, and how its parts become fields of ours."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from populace.bulk.errors import FileRefused, OptionRefused
from populace.bulk.formats import FORMATS, Mapped, csv, keycloak, tables, xlsx
from populace.bulk.formats.archive import is_zip, opened
from populace.bulk.formats.json_stream import JsonStream, NotJson
from populace.bulk.formats.objects import is_json
from populace.bulk.formats.sheet import NO_WORKBOOK
from populace.bulk.formats.source import FILE_MAX, TOO_LARGE, starts_with
from populace.bulk.formats.text import MARKS, SHOWN
from populace.bulk.formats.workbook import WORKBOOK
from populace.bulk.rows import KNOWN_OPTIONS, NO_OPTIONS, Options

AUTH0 = ("user_id", "custom_password_hash", "app_metadata", "user_metadata", "given_name", "family_name", "nickname")

MEMBERS = {
    **dict.fromkeys(AUTH0, "auth0"),
    "realm": "keycloak",
    "localId": "firebase",
    "Username": "cognito",
    "model": "django",
    "profile": "okta",
    "traits": "kratos",
    "create": "kratos",
}
"""Names of members by which the first object of a file tells its format."""

LISTS = {"users": "keycloak", "Users": "cognito", "identities": "kratos"}
"""Names of lists of people; what is in them tells more."""


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

    def plain(self) -> dict[str, Any]:
        """Return it as JSON, of which `again` makes the same; the mapping in pairs, since jsonb sorts names."""
        return {**asdict(self), "mapping": list(self.mapping.items())}

    @classmethod
    def again(cls, plain: Mapping[str, Any]) -> "Recognised":
        """Return what `plain` was made of."""
        return cls(**{**plain, "mapping": dict(plain["mapping"])})

    def shown(self) -> dict[str, Any]:
        """Return what people are shown; no option, some are secrets."""
        told: dict[str, Any] = {"format": self.format, "encoding": self.encoding}
        return told | ({"delimiter": self.delimiter} if self.delimiter else {}) | {"mapping": dict(self.mapping)}


def recognised(path: Path, file_format: str | None = None, options: Options = NO_OPTIONS) -> Recognised:
    """Return what the file is: of `file_format` where that is given. Raises FileRefused, OptionRefused."""
    if file_format is not None and file_format not in FORMATS:
        raise OptionRefused(f"unknown format; there are {', '.join(FORMATS)}")
    if unknown := options.keys() - KNOWN_OPTIONS:
        raise OptionRefused(f"{len(unknown)} unknown options; there are {', '.join(sorted(KNOWN_OPTIONS))}")
    if path.stat().st_size > FILE_MAX:
        raise FileRefused(TOO_LARGE)
    if name := _of_folder(path):
        if file_format not in (None, name):
            raise FileRefused(f"is a folder or an archive, as {name} has them and {file_format} has not")
        return _folded(path, name, options)
    if file_format == "xlsx":
        raise FileRefused(NO_WORKBOOK)
    tabled = file_format in (None, "csv") or FORMATS[file_format or ""].columns
    if tabled and (file_format == "csv" or not is_json(path)):
        return _table(path, file_format, options)
    name = file_format or _of_json(path)
    mark = starts_with(path, 3)
    encoding = next((found for start, found in MARKS if mark.startswith(start)), "utf-8")
    return Recognised(format=name, encoding=SHOWN[encoding], mapping=FORMATS[name].members, options=options)


def _table(path: Path, file_format: str | None, options: Options) -> Recognised:
    how = tables.dialect(path, options)
    first = next(tables.records(path, how), None)
    cells = first.cells if first else []
    name = file_format or next((name for name, one in FORMATS.items() if one.knows(cells)), "csv")
    columns = FORMATS[name].columns
    assert columns
    return Recognised(
        format=name,
        encoding=how.shown,
        delimiter=how.delimiter,
        mapping=columns(cells),
        options={**options, "encoding": how.encoding, "delimiter": how.delimiter},
    )


def _folded(path: Path, name: str, options: Options) -> Recognised:
    """Return what a folder or archive is taken for."""
    mapping, encoding = FORMATS[name].members, SHOWN["utf-8"]
    if name == "xlsx":
        first = next(xlsx.records(path), None)
        mapping, encoding = csv.mapping(first.cells if first else []), "Office Open XML"
    return Recognised(format=name, encoding=encoding, mapping=mapping, options=options)


def _of_folder(path: Path) -> str:
    """Return the format of a folder, or of an archive; "" for any other file. Raises FileRefused."""
    if path.is_dir():
        return "keycloak"
    start = starts_with(path, 4)
    if start == b"\xd0\xcf\x11\xe0":  # the container of Excel until 2003, and of workbooks under a password
        raise FileRefused("is an old workbook, or one under a password; save it as .xlsx without one")
    if not is_zip(start):
        return ""
    with opened(path) as archive:
        if WORKBOOK in archive.namelist():
            return "xlsx"
        if keycloak.users_files(archive.namelist()):
            return "keycloak"
    raise FileRefused("is an archive of no kind that an import knows")


def _of_json(path: Path) -> str:
    try:
        with JsonStream(path) as stream:
            if stream.peek() == "{":
                return _of_object(stream) or "jsonl"
            if found := _of_first(stream):
                return found
    except NotJson:
        pass
    raise FileRefused("is no JSON that an import knows; say what it is with --format")


def _of_object(stream: JsonStream) -> str:
    for name in stream.members():
        if found := MEMBERS.get(name):
            return found
        if name in LISTS and stream.peek() == "[":
            with suppress(NotJson):
                return _of_first(stream) or LISTS[name]
            return LISTS[name]
        stream.skip()
    return ""


def _of_first(stream: JsonStream) -> str:
    """Tell by the first element of a list, or by none."""
    for _ in stream.elements():
        return _of_object(stream)
    return ""
