"""`populace export FILE`: a list of people as a file, interrupted and killed processes included."""

import json
import signal
import stat
import subprocess
import sys
from uuid import UUID

import pytest

from tests.support.installation import POPULACE, Installation
from tests.support.missing import missing
from tests.support.plugin import Session
from tests.support.processes import ROOT, start, stop, wait_until
from tests.support.sql import rows

PEOPLE = 60


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    if Session.missing:
        missing(Session.missing)
    made = Installation(tmp_path_factory.mktemp("export"))
    made.populace("seed", str(PEOPLE))
    yield made
    made.stop()


def jobs(source):
    """State and done of each job, the newest last."""
    found = rows(source.env["DATABASE_URL"], "SELECT id, state, done FROM bulk_job ORDER BY id")
    return [(str(UUID(str(id))), state, done) for id, state, done in found]


def files_of(source):
    return [path for path in (source.var / "files").rglob("*") if path.is_file()]


def refused(source, *arguments):
    done = subprocess.run([POPULACE, *arguments], cwd=ROOT, env=source.env, capture_output=True, text=True)
    assert done.stderr.startswith("populace: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.returncode


def test_a_list_becomes_a_file_of_ones_own(source, tmp_path):
    path = tmp_path / "people.csv"
    told = source.populace_json("export", str(path), "--fields", "id,email", "--order", "email")
    assert told == {"file": str(path), "rows": PEOPLE + 1}
    head, *lines = path.read_text().splitlines()
    assert (head, len(lines)) == ("id,email", PEOPLE + 1)
    assert lines == sorted(lines, key=lambda line: line.partition(",")[2])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert files_of(source) == []  # not kept twice


def test_the_log_becomes_a_file_too(source, tmp_path):
    path = tmp_path / "log.jsonl"
    told = source.populace_json("export", str(path), "--list", "events", "--filter", "action=user.created")
    actions = [json.loads(line)["action"] for line in path.read_text().splitlines()]
    assert actions == ["user.created"] * told["rows"] == ["user.created"] * (PEOPLE + 1)


def test_the_format_is_the_files_ending_or_what_is_said(source, tmp_path):
    path = tmp_path / "people"
    source.populace("export", str(path), "--format", "jsonl", "--filter", "email=administrator@example.com")
    assert json.loads(path.read_text())["id"] == source.administrator_id
    source.populace("export", str(tmp_path / "people.xlsx"))
    assert (tmp_path / "people.xlsx").read_bytes().startswith(b"PK")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["people.pdf"], 2),
        (["people.csv", "--filter", "is_active"], 2),
        (["people.csv", "--filter", "is_active=maybe"], 2),
        (["people.csv", "--list", ""], 2),
        (["people.csv", "--list", "people"], 2),
        (["groups.csv", "--list", "groups", "--filter", "q=a"], 2),
        (["people.csv", "--as-is", "--order", "email"], 2),
        (["people.csv", "--resume", "01890000-0000-7000-8000-000000000000"], 4),
        (["there.csv"], 1),
        (["nowhere/people.csv"], 1),
    ],
    ids=str,
)
def test_what_cannot_be_is_one_line(source, tmp_path, arguments, code):
    (tmp_path / "there.csv").write_text("mine")
    assert refused(source, "export", str(tmp_path / arguments[0]), *arguments[1:]) == code
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"]


def begun(source, path):
    """Start an export in small steps and return it with its job, some parts on."""
    before = len(jobs(source))
    command = [sys.executable, "-m", "tests.support.small_steps", "export", str(path)]
    process = start(command, source.env, stderr=subprocess.PIPE)
    job = wait_until(lambda: (found := jobs(source)[before:]) and found[0][2] >= 10 and found[0], "ten people")
    return process, job[0]


def ids(path):
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


def everybody(source, tmp_path):
    source.populace("export", str(tmp_path / "all.jsonl"))
    return ids(tmp_path / "all.jsonl")


def test_ctrl_c_leaves_an_export_that_resume_goes_on_with(source, tmp_path):
    """Guard: populace/cli/exporting.py:export (resume)"""
    path = tmp_path / "people.jsonl"
    process, job = begun(source, path)
    assert stop(process, signal.SIGINT) == 130
    assert job in process.stderr.read().decode()
    (done,) = [done for id, _, done in jobs(source) if id == job]
    assert 10 <= done <= PEOPLE
    assert not path.exists()
    source.populace("export", str(path), "--resume", job)
    assert ids(path) == everybody(source, tmp_path)
    assert files_of(source) == []


def test_kill_9_leaves_an_export_that_a_worker_ends(source, tmp_path):
    """Nobody twice, nobody missing, progress never falls. Guard: populace/bulk/running.py:Running.chunk."""
    path = tmp_path / "people.jsonl"
    process, job = begun(source, path)
    stop(process, signal.SIGKILL)
    (at,) = [done for id, _, done in jobs(source) if id == job]
    seen = [at]
    subprocess.run([sys.executable, "-m", "tests.support.small_steps", "lapse"], cwd=ROOT, env=source.env, check=True)
    source.start_worker()

    def over():
        ((state, done),) = [(state, done) for id, state, done in jobs(source) if id == job]
        seen.append(done)
        return state == "succeeded"

    wait_until(over, "the worker ends it", 60)
    assert seen == sorted(seen)
    assert (seen[0] >= 10, seen[-1]) == (True, PEOPLE + 1)
    source.populace("export", str(path), "--resume", job)
    assert ids(path) == everybody(source, tmp_path)
