"""Every code block of the documentation does what the page says, in its order, on an installation of the page's own."""

import json
import re
import subprocess
import sys
from itertools import pairwise

import httpx
import pytest

from tests.support.pages import LANGUAGES, PAGES, Shell, blocks, runnable
from tests.support.ports import free_port
from tests.support.processes import ROOT, environment, start, stop, wait_until

START = re.compile(r"(?:[A-Z]+=\w+ )*make run\n")
RUN = [page for page in PAGES if {"sh", "python"} & {block.language for block in runnable(page)}]
NOT_RUN = {
    "README.md": 1,  # make test
    "docs/howto/move-and-backup.md": 4,
}
"""How many blocks of a page are marked as not run; the mark tells why."""


def named(page):
    return str(page.relative_to(ROOT))


def test_every_block_says_what_it_is_in():
    """One that is neither run nor marked would hide here."""
    assert {block.language for page in PAGES for block in blocks(page)} <= LANGUAGES


def test_what_is_not_run_is_marked_with_its_reason_and_counted():
    marked = {named(page): sum(bool(block.reason) for block in blocks(page)) for page in PAGES}
    assert {page: count for page, count in marked.items() if count} == NOT_RUN


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_json_is_json(page):
    for block in runnable(page):
        if block.language == "json":
            json.loads(block.text)
        if block.language == "jsonl":
            [json.loads(line) for line in block.text.splitlines()]


def answers(url):
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def shell(request, tmp_path):
    """The shell of a page's reader, beside what its own `make run` has started (`make run` where it has none)."""
    port = free_port()
    first = [block.text for block in runnable(request.param) if START.fullmatch(block.text)]
    env = environment(
        POPULACE_VAR_DIR=str(tmp_path), EMAIL_URL=f"file://{tmp_path / 'mail'}", PORT=str(port), DEMO="30"
    )
    with (tmp_path / "output").open("wb") as output:
        process = start(["bash", "-c", *(first or ["make run\n"])], env, stdout=output, stderr=output)
    made = Shell(env, tmp_path)
    try:
        wait_until((tmp_path / "credentials.env").exists, "credentials.env", 60)
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), "/readyz", 60)
        yield made
    finally:
        made.stop()
        stop(process)


def keys(value):
    """Return the shape of a JSON value: its keys, and those of what is in it, without the values."""
    if isinstance(value, dict):
        return {name: keys(below) for name, below in value.items()}
    return [keys(value[0])] if isinstance(value, list) and value else None


@pytest.mark.parametrize(("shell", "page"), [(page, page) for page in RUN], ids=map(named, RUN), indirect=["shell"])
def test_the_blocks_of_a_page_run_and_answer_as_shown(shell, page):
    """Python that names its file is written there, for the shell to run; JSON is what the block before it answers."""
    came, todo = "", runnable(page)
    for block, following in zip(todo, [*todo[1:], None], strict=True):
        if block.language == "sh" and not START.fullmatch(block.text):
            came = shell.run(block.text)
            is_shown = following and '"code"' in following.text
            assert is_shown or '"type": "/problems/' not in came, f"{block.text}\n{came}"
        elif block.language == "python":
            assert block.file, f"{named(page)}: the first line of Python names its file"
            shell.write(block.file, block.text)
        elif block.language == "json" and came.startswith("{"):
            assert keys(json.loads(came)) == keys(json.loads(block.text))


def test_what_is_shown_as_answer_follows_a_command():
    """Else the test above would pass it over. A page of reference may show a document that nobody has asked for."""
    for page in RUN:
        for before, block in pairwise(runnable(page)):
            assert block.language != "json" or before.language == "sh", block.text


def test_the_script_for_what_has_changed_survives_being_told_to_wait(installation):
    """docs/howto/changed-since-yesterday.md, at a rate that its pages exceed."""
    page = ROOT / "docs/howto/changed-since-yesterday.md"
    [script] = [block for block in runnable(page) if block.language == "python"]
    code = [line for line in script.text.splitlines() if line.strip() and not line.startswith("#")]
    assert len(code) <= 20
    installation.env |= {"POPULACE_RATE_LIMIT": "1", "POPULACE_WEB_PROCESSES": "1"}
    installation.populace("seed", "2500")
    installation.start_web()
    env = environment(POPULACE_URL=installation.url, POPULACE_TOKEN=installation.token)
    arguments = [sys.executable, "-c", script.text]
    done = subprocess.run(arguments, env=env, capture_output=True, text=True, timeout=60, check=True)
    told = [line.split()[1] for line in done.stdout.splitlines()]
    assert (len(told), len(set(told))) == (2501, 2501)
    assert '"status":429' in (installation.var / "web.log").read_text()


def test_the_rows_that_the_imports_page_shows_can_be_imported(installation):
    """docs/reference/imports.md"""
    shown = [block.text for block in runnable(ROOT / "docs/reference/imports.md") if block.language == "json"]
    file = installation.var / "shown.jsonl"
    file.write_text("".join(f"{json.dumps(json.loads(text))}\n" for text in shown))
    assert installation.populace_json("import", str(file))["done"] == len(shown) > 0
