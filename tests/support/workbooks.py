"""Workbooks as any reader sees them: the cells of the first sheet, by the standard's names (ECMA-376, 18.3)."""

import io
import zipfile
from typing import Any
from xml.etree import ElementTree

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def sheet_of(workbook: bytes) -> ElementTree.Element:
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        return ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))


def sheet_name_of(workbook: bytes) -> str | None:
    """Return the name of the first sheet."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        sheets = ElementTree.fromstring(archive.read("xl/workbook.xml"))
    return next(sheets.iter(f"{MAIN}sheet")).get("name")


def cells_of(workbook: bytes) -> list[list[Any]]:
    """Return the rows, all as long as the first; a cell without a value is None. Raises where there is a formula."""
    rows = [_row(row) for row in sheet_of(workbook).iter(f"{MAIN}row")]
    return [[row.get(column) for column in range(len(rows[0]))] for row in rows]


def _row(row: ElementTree.Element) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for cell in row.iter(f"{MAIN}c"):
        assert cell.find(f"{MAIN}f") is None, "a formula"
        found[_column(cell.get("r", ""))] = _value(cell)
    return found


def _column(place: str) -> int:
    number = 0
    for letter in place.rstrip("0123456789"):
        number = number * 26 + ord(letter) - 64
    return number - 1


def _value(cell: ElementTree.Element) -> Any:
    kind = cell.get("t")
    if kind == "inlineStr":
        return "".join(text.text or "" for text in cell.iter(f"{MAIN}t"))
    value = cell.findtext(f"{MAIN}v")
    if value is None:
        return None
    return value == "1" if kind == "b" else float(value)
