"""docs/reference/errors.md and api.md are what the code declares."""

import pytest

from tests.support.reference import PAGES, path_of


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_as_it_would_be_made_now(name):
    assert path_of(name).read_text() == PAGES[name](), "python -m tests.support.reference writes it anew"
