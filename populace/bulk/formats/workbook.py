"""The first sheet of a workbook (XLSX, ECMA-376), cell by cell as it is unpacked.

Libraries were looked at: openpyxl keeps every text of the sheet and every cell of a row in memory, python-calamine the
whole sheet. Here texts lie in a file without a name, and what no list of people has is refused where it begins.
"""

import os
import re
import tempfile
from array import array
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from functools import partial
from pathlib import PurePosixPath
from zipfile import ZipFile

from populace.bulk.errors import FileRefused
from populace.bulk.formats.archive import member_of
from populace.bulk.formats.sheet import (
    NO_WORKBOOK,
    Beginnings,
    Cell,
    SheetReader,
    SheetRow,
    TextReader,
    feed,
    parse,
    parser_of,
)
from populace.infra.scratch import spool

TEXTS_MAX = 8_000_000  # 64 MiB of places
PART_MAX = 16 << 20  # bytes of the parts that are read whole: styles, and the list of sheets
CHUNK = 64 << 10  # bytes

WORKBOOK = "xl/workbook.xml"

DATES = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
"""Built-in number formats that show a date or a time (ECMA-376 part 1, 18.8.30)."""

_not_shown = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')
_date_marks = re.compile(r"[ymdhs]", re.IGNORECASE).search
_escaped = re.compile(r"_x([0-9A-Fa-f]{4})_")


class Workbook(AbstractContextManager["Workbook", None]):
    """The sheet and what its cells refer to. Every method raises FileRefused."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive
        self._names = set(archive.namelist())
        self._sheet, self._epoch = _first_sheet(self._part(WORKBOOK), self._part("xl/_rels/workbook.xml.rels"))
        if self._sheet not in self._names:
            raise FileRefused(NO_WORKBOOK)
        self._dates = _date_styles(self._part("xl/styles.xml"))
        self._texts = _Texts()
        if "xl/sharedStrings.xml" in self._names:
            feed(self._chunks("xl/sharedStrings.xml"), TextReader(in_text="si", done=self._texts.add))
        self.behind = 0.0

    def __exit__(self, *_: object) -> None:
        self._texts.close()

    def rows(self) -> Iterator[SheetRow]:
        """Yield each row that has a cell."""
        found: list[SheetRow] = []
        size, given = max(self._archive.getinfo(self._sheet).file_size, 1), 0
        reader = SheetReader(found.append)
        parser = parser_of(reader)
        for chunk in self._chunks(self._sheet):
            given += len(chunk)
            parse(parser, chunk, given)
            self.behind = given / size
            yield from found
            found.clear()
        parse(parser, b"", given, is_final=True)

    def shown(self, cell: Cell) -> str:
        """Return a cell as text: a date as ISO 8601, a whole number without a fraction."""
        if cell.kind == "s":
            return self._texts[cell.text]
        if cell.kind in ("inlineStr", "str", "e", "d"):
            return _unescaped(cell.text)
        if cell.kind == "b":
            return "true" if cell.text.strip() == "1" else "false"
        try:
            number = float(cell.text)
        except ValueError:
            return cell.text
        if cell.style in self._dates:
            return _moment(number, self._epoch)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)

    def _chunks(self, name: str) -> Iterator[bytes]:
        with member_of(self._archive, self._archive.getinfo(name)) as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def _part(self, name: str) -> Iterator[bytes]:
        if name in self._names and self._archive.getinfo(name).file_size > PART_MAX:
            raise FileRefused(NO_WORKBOOK)
        return self._chunks(name) if name in self._names else iter(())


class _Texts:
    """Texts by number, in a file without a name."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(dir=spool())  # noqa: SIM115  # closed by close()
        self._places = array("Q", [0])
        self._end = 0

    def add(self, text: str) -> None:
        """Keep the next one."""
        if len(self._places) > TEXTS_MAX:
            raise FileRefused("is a workbook of too many texts; save it as CSV")
        self._end += self._file.write(_unescaped(text).encode("utf-8", "surrogatepass"))
        self._places.append(self._end)

    def __getitem__(self, number: str) -> str:
        place = int(number) if number.strip().isdecimal() else -1
        if not 0 <= place < len(self._places) - 1:
            raise FileRefused(NO_WORKBOOK)
        self._file.flush()
        start, end = self._places[place], self._places[place + 1]
        return os.pread(self._file.fileno(), end - start, start).decode("utf-8", "surrogatepass")

    def close(self) -> None:
        """Let the file go."""
        self._file.close()


def _first_sheet(workbook: Iterator[bytes], relations: Iterator[bytes]) -> tuple[str, datetime]:
    """Return where the first sheet lies in the archive, and the day 0 of its dates."""
    sheets: list[str] = []
    targets: dict[str, str] = {}
    epoch = [datetime(1899, 12, 30)]

    def of_workbook(name: str, attributes: dict[str, str]) -> None:
        if name == "sheet":
            sheets.append(attributes.get("id", ""))
        elif name == "workbookPr" and attributes.get("date1904") in ("1", "true"):
            epoch[0] = datetime(1904, 1, 1)

    def of_relations(name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            targets[attributes.get("Id", "")] = attributes.get("Target", "")

    feed(workbook, Beginnings(of_workbook))
    feed(relations, Beginnings(of_relations))
    target = targets.get(sheets[0], "") if sheets else ""
    place = target[1:] if target.startswith("/") else str(PurePosixPath("xl", target))
    return place, epoch[0]


def _date_styles(styles: Iterator[bytes]) -> set[str]:
    """Return the numbers of the styles that show a date."""
    dates, found, where = set(DATES), list[bool](), [""]

    def each(name: str, attributes: dict[str, str]) -> None:
        if name in ("cellXfs", "cellStyleXfs"):
            where[0] = name
        elif name == "numFmt" and _date_marks(_not_shown.sub("", attributes.get("formatCode", ""))):
            dates.add(int(attributes.get("numFmtId", "0")[:9]))
        elif name == "xf" and where[0] == "cellXfs":
            found.append(int(attributes.get("numFmtId", "0")[:9]) in dates)

    try:
        feed(styles, Beginnings(each))
    except ValueError:
        raise FileRefused(NO_WORKBOOK) from None
    return {str(number) for number, is_date in enumerate(found) if is_date}


def _moment(number: float, epoch: datetime) -> str:
    """Return a serial number of a date, of a time or of both as ISO 8601 has it."""
    try:
        moment = epoch + timedelta(days=number)
    except OverflowError:
        return repr(number)
    moment = (moment + timedelta(microseconds=500_000)).replace(microsecond=0)  # a float of days: half a second off
    if number < 1:
        return moment.time().isoformat()
    return moment.date().isoformat() if number.is_integer() else moment.isoformat()


_unescaped = partial(_escaped.sub, lambda found: chr(int(found[1], 16)))
