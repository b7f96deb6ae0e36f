"""What a check of `populace doctor` found."""

from typing import NamedTuple


class Finding(NamedTuple):
    """One thing looked at."""

    check: str
    ok: bool
    detail: str
