"""The table of guarantees in docs/reference/tasks.md: a row for each test of the suites that engines pass.

python -m tests.support.guarantees        writes it anew
"""

import ast
import re
from collections.abc import Iterator

from tests.support.processes import ROOT

PAGE = ROOT / "docs/reference/tasks.md"
SUITES = {
    "tests/contract/tasks/test_engines.py": "all five",
    "tests/contract/tasks/test_brokers.py": "the four with a broker",
}
BEGIN, END = "<!-- python -m tests.support.guarantees -->\n", "<!-- end -->\n"


def table() -> str:
    """Return the table: what is promised, the fault or attack it is about, and on which engines it is tested."""
    lines = ["| what holds | proves | tested on |", "|---|---|---|"]
    lines += [f"| {promise} | {number} | {on} |" for suite, on in SUITES.items() for promise, number in promises(suite)]
    return "\n".join(lines) + "\n"


def promises(suite: str) -> Iterator[tuple[str, str]]:
    """Yield each test's name as a sentence, and its number in the lists of faults and attacks."""
    for node in ast.parse((ROOT / suite).read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            found = re.fullmatch(r"test_([af]\d\d)?_?(.+)", node.name)
            assert found
            yield found[2].replace("_", " "), (found[1] or "").upper()


def shown() -> str:
    """Return the table that the page has now."""
    return PAGE.read_text().partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + BEGIN + table() + END + rest.partition(END)[2])
