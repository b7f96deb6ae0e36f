"""Rules of the house that no linter knows; CONTRIBUTING.md gives their reasons."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
MODULES = [
    path.relative_to(ROOT)
    for folder in ("config", "populace", "tests", "bench")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "migrations" not in path.parts
]
OURS = [path for path in MODULES if path.parts[0] in ("config", "populace")]
MODULE_LINES, FUNCTION_LINES, USUAL_LINES = 400, 60, 20

# These know people, not HTTP: a command, an import and a request use them alike.
WITHOUT_HTTP = {"models", "querysets", "actions", "reads", "tasks", "erasure", "errors", "documents"}


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield (where, lines) of every function, its decorators and docstring not counted."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node, clean=False) else node.body
            lines = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            yield f"{path}:{node.lineno} {node.name}", lines


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_is_at_most_400_lines_and_its_functions_60(path):
    assert len((ROOT / path).read_text().splitlines()) <= MODULE_LINES
    assert [where for where, lines in functions(path) if lines > FUNCTION_LINES] == []


def test_nine_in_ten_functions_fit_a_screen():
    lengths = [lines for path in OURS for _, lines in functions(path)]
    assert sum(lines <= USUAL_LINES for lines in lengths) >= 0.9 * len(lengths)


@pytest.mark.parametrize("path", [path for path in OURS if path.stem in WITHOUT_HTTP], ids=str)
def test_what_knows_people_knows_no_http(path):
    imported = [
        getattr(node, "module", None) or alias.name
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    assert [name for name in imported if name.startswith(("django.http", "django.views", "django.urls"))] == []


def test_only_config_env_reads_the_environment():
    reads = re.compile(r"os\.environ\.get|os\.environ\[[^]]+\](?! =)|os\.getenv|in os\.environ")
    readers = [path.as_posix() for path in OURS if reads.search((ROOT / path).read_text())]
    assert readers == ["config/env.py"]
