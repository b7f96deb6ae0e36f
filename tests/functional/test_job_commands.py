"""populace job …: look at jobs, stop them, and go on with one that Ctrl-C has ended."""

import json
import os
import re
import signal
from uuid import uuid4

from tests.support.installation import POPULACE
from tests.support.processes import start, wait_until
from tests.support.sql import rows

ROWS = 6_000


def test_an_import_that_ctrl_c_ends_is_resumed_and_nobody_is_made_twice(installation):
    """populace/bulk/here.py:_interrupted, populace/cli/jobs.py:resume"""
    file, log = installation.var / "people.csv", installation.var / "import.log"
    lines = (f"person{n},{'nobody' if n == 5_999 else f'person{n}@example.com'}\n" for n in range(1, ROWS + 1))
    file.write_text("username,email\n" + "".join(lines))
    with log.open("wb") as output:
        command = [POPULACE, "import", str(file), "--json"]
        process = start(command, installation.env, stdout=output, stderr=output)
    url = installation.env["DATABASE_URL"]
    wait_until(lambda: rows(url, "SELECT 1 FROM bulk_job WHERE done > 0"), "it is under way", 60)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    [id] = re.findall("populace job resume ([0-9a-f-]{36})", log.read_text())
    [listed] = [json.loads(line) for line in installation.populace("job", "list", "--json").splitlines()]
    assert (listed["id"], listed["state"]) == (id, "running")
    assert 0 < listed["progress"]["done"] < ROWS
    told = installation.populace("job", "resume", id, "--json", expected=3).splitlines()
    assert json.loads(told[0])["row"] == 5_999
    assert json.loads(told[1])["done"] == ROWS - 1
    assert (installation.var / "people.csv.errors.csv").exists()
    assert rows(url, "SELECT count(*) FROM users_user WHERE username LIKE 'person%'") == [(ROWS - 1,)]
    assert installation.populace_json("job", "show", id)["state"] == "succeeded"
    installation.populace("job", "resume", id, expected=4)  # it is over
    beside = (installation.var / "people.csv.errors.csv").read_text()
    assert installation.populace("job", "errors", id) == beside


def test_of_all_or_nothing_nobody_is_said_to_be_done_and_a_pipe_is_no_file(installation):
    """populace/cli/jobs.py:tell_import, populace/bulk/imports.py:import_file"""
    file = installation.var / "people.csv"
    file.write_text("username,email\nann,ann@example.com\nbob,nobody\n")
    told = installation.populace("import", str(file), "--rows", "all", "--json", expected=3).splitlines()
    summary = json.loads(told[1])
    assert (summary["done"], summary["failed"]) == (0, 1)
    pipe = installation.var / "pipe"
    os.mkfifo(pipe)
    installation.populace("import", str(pipe), expected=3)


def test_a_job_is_cancelled_by_its_id(installation):
    installation.start_web()  # no worker: it waits
    file = {"file": ("people.csv", b"username\nann\n", "text/csv")}
    id = installation.http.post("/api/v1/imports", files=file).json()["id"]
    installation.populace("job", "cancel", id)
    assert installation.populace_json("job", "show", id)["cancel_asked"] is True
    assert id in installation.populace("job", "list")
    installation.populace("job", "show", str(uuid4()), expected=4)
