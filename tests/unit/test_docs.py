"""The docs say what is so: settings as they are read, commands that run, answers as they come."""

import json
import re
import subprocess
from pathlib import Path

import httpx
import pytest

from config import env
from tests.support.ports import free_port
from tests.support.processes import ROOT, environment, start, stop, wait_until

README = ROOT / "README.md"
PAGES = [
    README,
    *(ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
NOT_RUN = "make test"  # would run this test


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)


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


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def made_by_make_run(tmp_path_factory):
    """What the README's reader has after `make run`: its own port, var folder and mail. Yields (environment, var)."""
    var, port = tmp_path_factory.mktemp("var"), free_port()
    env = environment(POPULACE_VAR_DIR=str(var), EMAIL_URL=f"file://{var / 'mail'}", PORT=str(port), DEMO="5")
    with (var / "output").open("wb") as output:
        process = start(["make", "run"], env, stdout=output, stderr=output)
    try:
        wait_until((var / "credentials.env").exists, "credentials.env", 60)
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), "/readyz", 60)
        yield env, var
    finally:
        stop(process)


def shell(command: str, env: dict[str, str], var: Path) -> str:
    """Run a block as its reader would, who has read credentials.env; but for the var folder. Return stdout."""
    command = re.sub(r"(?<![\w/])var/", f"{var}/", f". var/credentials.env\n{command}")
    arguments = ["bash", "-euo", "pipefail", "-c", command]
    done = subprocess.run(arguments, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_readmes_commands_run_and_answer_as_shown(made_by_make_run):
    env, var = made_by_make_run
    commands = [block for block in blocks("sh") if block.strip() not in (NOT_RUN, "make run")]
    assert {"make run\n", f"{NOT_RUN}\n"} <= set(blocks("sh"))
    assert commands
    answers = [shell(command, env, var) for command in commands]
    shown = [json.loads(answer) for answer in blocks("json")]
    came = [json.loads(answer) for answer in answers if answer.lstrip().startswith("{")]
    assert [list(answer) for answer in came] == [list(answer) for answer in shown]
