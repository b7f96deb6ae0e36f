"""The docs say what is so: settings as they are read, links that lead somewhere, every action of the log."""

import ast
import re

import pytest

from config import env
from tests.support.pages import PAGES
from tests.support.processes import ROOT


def test_the_settings_page_has_one_row_for_each_variable_that_is_read(settings):
    _ = settings.MODE  # they are read by now
    page = (ROOT / "docs/reference/settings.md").read_text()
    assert sorted(re.findall(r"^\| `([A-Z_]+)`", page, re.MULTILINE)) == sorted(env.READ)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_and_file_that_a_page_names_is_there(page):
    text = page.read_text()
    links = [page.parent / link for link in re.findall(r"\]\((?!https?://)([^)#]+)", text)]
    named = re.findall(r"`((?:config|populace|tests|docs|bench|script|infra|users|audit|api|cli)/[\w/.-]+\w)`", text)
    missing = [str(path) for path in links if not path.exists()]
    missing += [name for name in named if not any((ROOT / base / name).exists() for base in ("", "populace"))]
    assert missing == []


def test_the_faults_page_names_the_test_of_every_fault_that_has_one():
    page = (ROOT / "docs/reference/faults.md").read_text()
    told = dict(re.findall(r"^\| (F\d\d) \|[^|]*\|([^|]*)\|$", page, re.MULTILINE))
    assert list(told) == [f"F{number:02}" for number in range(1, 41)]
    proved: dict[str, set[str]] = {fault: set() for fault in told}
    for path in (ROOT / "tests").rglob("test_*.py"):
        for number in re.findall(r"^def test_f(\d\d)_", path.read_text(), re.MULTILINE):
            proved[f"F{number}"].add(path.relative_to(ROOT).as_posix())
    assert {fault: set(re.findall(r"`(tests/[\w./]+)`", text)) for fault, text in told.items()} == proved
    assert [fault for fault, text in told.items() if ("not yet handled" in text) == bool(proved[fault])] == []


def texts_of_the_code():
    """Return every text that stands in the code."""
    for path in (ROOT / "populace").rglob("*.py"):
        yield from (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))


def test_the_events_page_lists_every_action_that_is_recorded():
    """An action is named after what has happened: `user.created`, `user.password_set`, `auth.signed_in`."""
    is_action = re.compile(r"[a-z_]+\.(?:[a-z_]+_)?(?:[a-z]+ed|set|in)(?:_in)?").fullmatch
    told = {text for text in texts_of_the_code() if isinstance(text, str) and is_action(text)}
    section = (ROOT / "docs/reference/events.md").read_text().split("## Actions")[1].split("\n## ")[0]
    rows = "\n".join(line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`([a-z_.]+)`", rows)) == told
