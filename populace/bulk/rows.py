"""What every format makes of its file: a row to import, or a row nobody can read."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One person of the file, not yet validated."""

    number: int  # 1 is the first person: a header is not counted
    behind: float  # share of the file that has been read by now, 0 to 1; for progress
    values: dict[str, Any]  # writable names of the user document
    password: str = field(default="", repr=False)  # plain text
    is_active: bool = True
    email_verified: bool = False
    left_out: frozenset[str] = frozenset()  # what the file tells of this person and stays behind, by summary name


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that is no person; `reason` never repeats a value."""

    number: int
    behind: float
    code: str
    reason: str
