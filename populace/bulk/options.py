"""What an operator says of a file that the file does not say: a small text beside it."""

import json
import re
from pathlib import Path
from typing import Any

from populace.bulk.errors import OptionRefused
from populace.bulk.rows import Options

LONGEST = 64 << 10  # characters

_line = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]{0,40})\s*[:=]\s*\"?([^\"\s,]*)\"?,?\s*").fullmatch


def read_options(path: Path) -> Options:
    """Read a JSON object, or lines `name: value` as Firebase's console shows a project's `hash_config {…}`.

    Raises OptionRefused.
    """
    with path.open(encoding="utf-8", errors="replace") as file:
        return parsed(file.read(LONGEST + 1))


def parsed(text: str) -> Options:
    """Do what read_options does with the text itself."""
    if len(text) > LONGEST:
        raise OptionRefused("the options are too long")
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        lines = [line for line in text.splitlines() if line.strip() and not re.fullmatch(r"\s*\w*\s*[{}]\s*", line)]
        parts = [_line(line) for line in lines]
        found = {part[1]: part[2] for part in parts if part} if all(parts) and parts else None
    if not isinstance(found, dict):
        raise OptionRefused("the options are neither a JSON object nor lines `name: value`")
    return found
