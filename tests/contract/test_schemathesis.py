"""Schemathesis asks a running server what the schema allows and what it does not: no 5xx, nothing the schema denies."""

import os
import subprocess
from urllib.parse import urlsplit

import pytest

from tests.support.installation import Installation
from tests.support.missing import missing
from tests.support.plugin import Session
from tests.support.processes import BIN, ROOT

CONFIGURATION = """
{auth}
[checks.negative_data_rejection]
expected-statuses = ["4xx"]

# The schema does not tell all that makes a name, an address or a password a good one.
[checks.positive_data_acceptance]
enabled = false
"""
PHASES = {
    "anonymous": "examples,fuzzing",
    "users:read": "examples,fuzzing",
    "admin": "examples,fuzzing,stateful",
}
COVERAGE = ",coverage"
"""Every bound that the schema sets, from both sides: these are checked before an engine is asked, so on one of them."""
EXAMPLES = 4  # of each call, in each phase but coverage


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Populace of these tests' own."""
    if Session.missing:
        missing(Session.missing)
    made = Installation(tmp_path_factory.mktemp("schemathesis"), POPULACE_WEB_PROCESSES="1")
    made.start_web()
    yield made
    made.stop()


def caller(server, scope):
    """Return a token of this scope ("": none) and the ids that it must not lose: its own and its owner's."""
    if scope == "anonymous":
        return "", []
    made = server.http.post("/api/v1/tokens", json={"name": scope, "scopes": [scope]}).json()
    listed = server.http.get("/api/v1/tokens").json()["results"]
    return made["secret"], [server.administrator_id, *(each["id"] for each in listed)]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scope", PHASES)
def test_whatever_is_asked_is_answered_as_the_schema_says(server, tmp_path, engine, scope):
    """populace/api/schema/document.py:document"""
    secret, spared = caller(server, scope)
    phases = PHASES[scope] + (COVERAGE if (scope, engine) == ("admin", "postgresql") else "")
    configuration = tmp_path / "schemathesis.toml"
    auth = f'[auth.openapi.token]\nbearer = "{secret}"' if secret else ""
    configuration.write_text(CONFIGURATION.format(auth=auth))
    command = [str(BIN / "schemathesis"), "--config-file", str(configuration), "run"]
    command += [f"{server.url}/api/v1/openapi.json", "--seed=1", f"--max-examples={EXAMPLES}", "--no-shrink"]
    command += ["--no-color", f"--phases={phases}", "--suppress-health-check=all"]
    env = os.environ | {
        "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks",
        "SPARED_IDS": " ".join(spared),
        "PYTHONPATH": str(ROOT),
        "NO_PROXY": str(urlsplit(server.url).hostname),
    }
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    log = (server.var / "web.log").read_text()
    assert '"status":5' not in log
