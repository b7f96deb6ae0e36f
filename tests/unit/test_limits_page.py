"""docs/reference/limits.md says what the code holds."""

import re
from datetime import timedelta
from importlib import import_module

import pytest

from tests.support.processes import ROOT

PAGE = (ROOT / "docs/reference/limits.md").read_text()
ROWS = re.findall(r"^\| [^|]+ \| ([\d,]+) ?(\w*) \|.* `([\w/]+)\.py:(\w+)` \|$", PAGE, re.MULTILINE)
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
SPANS = {"days": "days", "hours": "hours"}


@pytest.mark.parametrize(("number", "unit", "module", "name"), ROWS, ids=[name for *_, name in ROWS])
def test_each_bound_of_the_page_is_the_codes(number, unit, module, name):
    held = getattr(import_module(module.replace("/", ".")), name)
    told = int(number.replace(",", ""))
    assert held == (timedelta(**{SPANS[unit]: told}) if isinstance(held, timedelta) else told * UNITS.get(unit, 1))


def test_every_row_with_a_source_is_compared():
    assert len(ROWS) == PAGE.count(".py:") > 25
