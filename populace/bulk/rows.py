"""What every format makes of its file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from populace.users.errors import Invalid

type Options = Mapping[str, Any]
"""What an operator says of a file that it does not say itself: `encoding`, `delimiter`, a project's hash parameters."""

NO_OPTIONS: Options = {}
KNOWN_OPTIONS = frozenset(
    (
        *("encoding", "delimiter", "passwords", "algorithm"),
        *("base64_signer_key", "base64_salt_separator", "rounds", "mem_cost"),
    )
)
"""The first two for any CSV; the others are Firebase's (formats/firebase.py)."""

BEHIND = "rows behind"
"""Among the options: how many rows are done. A format that `skips` does not make them anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One person of the file, not yet validated."""

    number: int  # 1 is the first person: a header is not counted
    behind: float  # share of the file that has been read by now, 0 to 1; for progress
    sent: Any = field(default=None, repr=False)  # as it stands in the file, for the error file
    values: dict[str, Any] = field(default_factory=dict)  # writable names of the user document, `kind` among them
    password: str = field(default="", repr=False)  # plain text
    password_hash: str = field(default="", repr=False)  # as it is stored
    is_active: bool | None = None  # None: the file does not say
    email_verified: bool | None = None
    groups: tuple[str, ...] = ()  # by name; what follows a slash lies below what stands before it
    left_out: frozenset[str] = frozenset()  # what the file tells of this person and stays behind, by summary name
    faults: tuple[Invalid, ...] = ()  # what is wrong with the parts that are not in `values`


def unreadable(number: int, behind: float, reason: str, sent: Any = None) -> Row:
    """Return a row that is no person; `reason` never repeats a value."""
    return Row(number=number, behind=behind, sent=sent, faults=(Invalid("malformed", reason),))
