"""What is written to standard error may be lost; nothing that it tells of may."""

import os
import re
import subprocess
import sys

from tests.support.installation import POPULACE
from tests.support.processes import ROOT, environment, start, wait_until

NOTE = "from populace.cli.output import note; note('x'); note('y'); print('on')"


def test_requests_are_answered_when_nobody_reads_the_log_and_lost_lines_are_counted(installation):
    """populace/infra/telemetry/logs.py:LogStream.write"""
    reader, writer = os.pipe()
    installation.web = start([POPULACE, "serve"], installation.env, stdout=writer, stderr=writer)
    os.close(writer)
    wait_until(installation.ready, "/readyz")
    os.close(reader)
    made = installation.http.post("/api/v1/users", json={"username": "unlogged"})
    assert made.status_code == 201, made.text
    assert installation.http.get(made.headers["Location"]).status_code == 200
    assert installation.http.get("/livez").status_code == 200
    lost = re.search(r"^log_lines_lost_total (\S+)", installation.http.get("/metrics").text, re.MULTILINE)
    assert float(lost[1]) >= 3


def test_the_command_line_goes_on_when_nobody_reads_its_notes():
    """populace/cli/output.py:note"""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", NOTE]
    done = subprocess.run(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=writer)
    os.close(writer)
    assert (done.returncode, done.stdout) == (0, b"on\n")
