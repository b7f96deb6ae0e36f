"""What the describing fields of a person may hold: one line of text, a language, a time zone."""

import re
import unicodedata
from functools import cache
from zoneinfo import available_timezones

from populace.users.errors import Invalid

TEXT_MAX = 200
"""Code points of a name."""

# Controls (C0, DEL, C1), line and paragraph separators, lone surrogates, and what our Unicode version does not know:
# an unknown character could normalise to anything once it is assigned.
REFUSED = {"Cc", "Zl", "Zp", "Cs", "Cn"}

# The shape of RFC 5646 section 2.1 without its registry: a language, then subtags of up to 8 letters or digits.
LOCALE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")


def line(raw: str) -> str:
    """Return `raw` as it is, one line of known characters; raises Invalid."""
    # isprintable() alone would also refuse the joiners (Cf) that Persian and Hindi names need.
    if not raw.isprintable() and any(unicodedata.category(character) in REFUSED for character in raw):
        raise Invalid("invalid", "Holds a control, unpaired or unassigned character.")
    return raw


def locale(raw: str) -> str:
    """Return a well-formed language tag as it is (`de`, `pt-BR`, `zh-Hant-TW`); raises Invalid."""
    if not LOCALE.fullmatch(raw):
        raise Invalid("invalid", "Not a language tag such as de or pt-BR (BCP 47).")
    return raw


@cache
def zones() -> frozenset[str]:
    """Return the names of all time zones this machine knows, read once per process."""
    return frozenset(available_timezones())


def timezone(raw: str) -> str:
    """Return a time zone's name as it is (`Europe/Vienna`); raises Invalid where the machine does not know it."""
    if raw not in zones():
        raise Invalid("invalid", "Not a time zone such as Europe/Vienna (IANA).")
    return raw
