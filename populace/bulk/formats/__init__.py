"""The formats an import reads, one module each."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from populace.bulk.formats import csv, jsonl, keycloak, kratos
from populace.bulk.rows import Options, Row

type Mapped = Mapping[str, str | None]
"""Which field of ours a column or member of the file fills; None for what has no place here and stays behind."""


class Format(NamedTuple):
    """A format: what its module gives."""

    rows: Callable[[Path, Options], Iterator[Row]]  # raises FileRefused
    mapping: Mapped | Callable[[list[str]], Mapped] = csv.mapping  # of the header's cells, where a file has one


FORMATS = {
    "csv": Format(csv.rows),
    "jsonl": Format(jsonl.rows, jsonl.MAPPING),
    "keycloak": Format(keycloak.rows, keycloak.MAPPING),
    "kratos": Format(kratos.rows, kratos.MAPPING),
}
