"""docs/reference/attributes.md names what the code serves."""

import re
from pathlib import Path

from populace.users import attributes, attributes_check, attributes_index, attributes_schema

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs/reference/attributes.md").read_text()


def test_the_page_names_the_keywords_and_formats_that_are_served():
    table = PAGE.partition("|---|---|\n")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(.*?)`", table)) == attributes_schema.KNOWN | {"indexed"}
    formats = PAGE.partition("is checked: ")[2].partition(".\n")[0]
    assert tuple(re.findall(r"`(.*?)`", formats)) == attributes_schema.FORMATS


def test_the_page_names_the_limits():
    for limit in (
        f"at most {attributes.SIZE_MAX >> 10} KiB, {attributes.DEPTH_MAX} levels deep",
        f"at most {attributes_schema.SIZE_MAX >> 10} KiB, {attributes_schema.DEPTH_MAX} schemas deep",
        f"at most {attributes_schema.PATTERNS_MAX}, on an engine",
        f"more than {attributes_check.PATTERN_BYTES >> 10} KiB",
        f"(at most {attributes_schema.FAULTS_MAX})",
        f"At most {attributes_schema.INDEXED_MAX} properties, whose names have at most {attributes_schema.NAME_MAX}",
        f"begins {attributes_index.SETTLED.seconds} s after",
        f"in steps of {attributes_index.PEOPLE:,} people",
    ):
        assert limit in PAGE
