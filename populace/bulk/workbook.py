"""A workbook (Office Open XML, ECMA-376), written row by row."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import xlsxwriter

from populace.bulk.kinds import JobRefused
from populace.infra.formula import guarded

ROWS_MAX = (1 << 20) - 1
"""Rows of a sheet below its header (ECMA-376: 1,048,576 in all)."""

CELL_MAX = 32_767
"""Characters that spreadsheets take in a cell."""

LOOK = 2_000
"""Rows between two looks at whether somebody still wants it: about a second."""

OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}


def write_workbook(
    path: Path, called: str, names: Sequence[str], documents: Iterable[bytes], *, alive: Callable[[], None]
) -> None:
    """Write a sheet of this name with these fields of the documents. Raises JobRefused, and what `alive` raises."""
    with xlsxwriter.Workbook(str(path), OPTIONS | {"tmpdir": str(path.parent)}) as workbook:
        sheet = workbook.add_worksheet(called)
        sheet.write_row(0, 0, names)
        for number, document in enumerate(documents, 1):
            for column, value in enumerate(json.loads(document).values()):
                _write(sheet, number, column, value)
            if number % LOOK == 0:
                alive()


def _write(sheet: Any, row: int, column: int, value: Any) -> None:
    if isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif isinstance(value, int | float):
        sheet.write_number(row, column, value)
    elif value not in (None, ""):
        text = guarded(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if len(text.encode("utf-16-le")) > 2 * CELL_MAX:
            raise JobRefused(
                "too_large", "A value does not fit into a workbook's cell: take csv or jsonl, or other fields."
            )
        sheet.write_string(row, column, text)
