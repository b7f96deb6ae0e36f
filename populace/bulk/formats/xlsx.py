"""A workbook (XLSX): the first sheet, whose first row names the fields as the header of our CSV does."""

from collections.abc import Iterator
from pathlib import Path

from populace.bulk.errors import FileRefused
from populace.bulk.formats import csv, tables
from populace.bulk.formats.archive import opened
from populace.bulk.formats.sheet import COLUMNS_MAX, SheetRow
from populace.bulk.formats.workbook import Workbook
from populace.bulk.rows import NO_OPTIONS, Options, Row


def rows(path: Path, options: Options = NO_OPTIONS) -> Iterator[Row]:
    """Yield each row below the header. Raises FileRefused."""
    found = records(path)
    header = next(found, None)
    return tables.rows(found, csv.columns(header.cells if header else []), csv.to_row)


def records(path: Path) -> Iterator[tables.Record]:
    """Yield each record of the sheet, as wide as the first; raises FileRefused where that one is broken."""
    width = 0
    with opened(path) as archive, Workbook(archive) as workbook:
        for row in workbook.rows():
            record = _record(workbook, row, width)
            if not width:
                if record.fault:
                    raise FileRefused(record.fault)
                width = len(record.cells)
            if any(record.cells) or record.fault:
                yield record


def _record(workbook: Workbook, row: SheetRow, width: int) -> tables.Record:
    cells: list[str] = []
    size, fault = 0, f"more than {COLUMNS_MAX} cells." if row.is_too_wide else ""
    for cell in row.cells:
        text = workbook.shown(cell)
        size += len(text)
        if cell.kind == "e":
            fault = fault or "a formula has no value."
        if size > tables.RECORD_MAX:
            fault = fault or f"more than {tables.RECORD_MAX} characters."
            break
        cells += [""] * (cell.column - len(cells))
        cells.append(text)
    if fault:
        sent = ",".join(cells)[: tables.SENT_MAX]
        return tables.Record(row.number, workbook.behind, [sent], f"Line {row.number}: {fault}")
    while cells and not cells[-1]:
        cells.pop()
    return tables.Record(row.number, workbook.behind, cells + [""] * (width - len(cells)))
