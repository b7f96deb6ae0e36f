"""Text that a spreadsheet would take for a formula (OWASP: CSV injection), made harmless so that it can be restored.

A line of a cell that begins with one of SIGNS, or with apostrophes and then one of them, gets one more apostrophe;
reading takes it away. So what was written comes back, whatever it was.
"""

import re

SIGNS = "=+-@＝＋－＠"  # noqa: RUF001 (as East Asian editions take them)
"""What begins a formula; so may tab and carriage return, which spreadsheets pass over."""

_harmful = re.compile(rf"(^|(?<=[\r\n]))(?='*[{re.escape(SIGNS)}\t\r])")
_harmless = re.compile(rf"(^|(?<=[\r\n]))'(?='*[{re.escape(SIGNS)}\t\r])")


def guarded(text: str) -> str:
    """Return the text of a cell that no spreadsheet computes."""
    return _harmful.sub("'", text)


def bare(text: str) -> str:
    """Return what `guarded` was given; text of others as it is, unless it looks like that."""
    return _harmless.sub("", text)
