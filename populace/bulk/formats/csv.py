"""Our own CSV: a header of field names, then a person a record; a sheet of a workbook reads the same (xlsx.py)."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from populace.bulk.errors import FileRefused
from populace.bulk.formats import exported, tables
from populace.bulk.formats.fields import FLAGS, IDENTIFIERS, NEITHER, TEXTS, TOLD, stored_hash
from populace.bulk.formats.jsonl import group_names
from populace.bulk.rows import BEHIND, NO_OPTIONS, Options, Row
from populace.infra.formula import bare
from populace.users.errors import Invalid

COLUMNS = (*TEXTS, *FLAGS, "password", "password_hash", "attributes", "groups")
ATTRIBUTE = "attributes."
"""Prefix of a column that holds a free attribute, as text."""

_BOOLEANS = dict.fromkeys(("true", "1", "yes"), True) | dict.fromkeys(("false", "0", "no"), False)
_SPELLINGS = {name.replace("_", ""): name for name in (*COLUMNS, *TOLD, *exported.SHOWN)}


def rows(path: Path, options: Options = NO_OPTIONS) -> Iterator[Row]:
    """Yield each row below the header. Raises FileRefused."""
    how = tables.dialect(path, options)
    found = tables.records(path, how)
    return tables.rows(found, columns(_header(found)), to_row, how.shown, behind=options.get(BEHIND, 0))


def mapping(cells: Sequence[str]) -> dict[str, str | None]:
    """Return the field of each column. Raises FileRefused where rows() would refuse the header."""
    found = zip(cells, columns(cells), strict=True)
    return {cell: None if name in exported.SHOWN else name for cell, name in found if name not in TOLD}


def columns(header: Sequence[str]) -> list[str]:
    """Return the header in our names: case, spaces, dashes and underscores make no difference. Raises FileRefused."""
    found = [_column(cell.strip()) for cell in header]
    tables.check_columns(found, one_of=IDENTIFIERS)
    return found


def to_row(number: int, behind: float, sent: list[str], given: Mapping[str, str]) -> Row:
    """Return the row of a record: see tables.ToRow."""
    faults: list[Invalid] = []
    values: dict[str, object] = {name: bare(given[name].strip()) for name in TEXTS if name in given}
    texts = {n.removeprefix(ATTRIBUTE): bare(v.strip()) for n, v in given.items() if n.startswith(ATTRIBUTE)}
    if attributes := exported.json_cell(given, "attributes", dict, faults) | texts:
        values["attributes"] = attributes
    return Row(
        number=number,
        behind=behind,
        sent=sent,
        values=values,
        password=given.get("password", ""),
        password_hash=stored_hash(given.get("password_hash", "").strip(), faults),
        is_active=said(given, "is_active", faults),
        email_verified=said(given, "email_verified", faults),
        groups=group_names(exported.json_cell(given, "groups", list, faults), faults),
        left_out=exported.left_out(given),
        faults=tuple(faults),
    )


def said(given: Mapping[str, str], column: str, faults: list[Invalid], name: str = "") -> bool | None:
    """Return what a cell says of the field `name` (as the column, if left out): true, false or nothing."""
    if column not in given:
        return None
    value = _BOOLEANS.get(given[column].strip().casefold())
    if value is None:
        faults.append(Invalid("invalid", NEITHER, name or column))
    return value


def _header(found: Iterator[tables.Record]) -> list[str]:
    return next((record.cells for record in found), [])


def _column(cell: str) -> str:
    if cell.startswith(ATTRIBUTE) and cell != ATTRIBUTE:
        return cell
    plain = cell.casefold().replace("_", "").replace("-", "").replace(" ", "")
    if plain in _SPELLINGS:
        return _SPELLINGS[plain]
    near = difflib.get_close_matches(cell.casefold(), COLUMNS, 1)
    # Nothing is dropped in silence; what the contract does not know can come along as an attribute.
    advice = f"did you mean {near[0]}?" if near else f"name it {ATTRIBUTE}NAME to keep it as an attribute"
    words = cell.replace(" ", "_").replace("-", "_")
    shown = f" {cell}" if words.isascii() and words.isidentifier() and len(cell) <= 40 else ""  # else: no header, data
    raise FileRefused(f"has an unknown column{shown}: {advice}")
