"""The report of `make faults`: which faults were injected, and what came of it."""

import os
import platform
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.support.incident import Incident, table
from tests.support.installation import Installation
from tests.support.missing import missing
from tests.support.plugin import ENGINE, Session
from tests.support.postgresql import UNSYNCED, NotThere, PostgreSQL, binaries
from tests.support.processes import ROOT
from tests.support.proxy import Proxy

ROUNDS = os.environ.get("FAULT_ROUNDS")  # set by `make faults` alone
INCIDENTS: dict[str, Incident] = {}


@pytest.fixture
def postgresql() -> Iterator[PostgreSQL]:
    """A server that no other test uses, so that it may be stopped."""
    try:
        server = PostgreSQL(**UNSYNCED)
    except NotThere as reason:
        missing(str(reason))
    yield server
    server.stop()


@pytest.fixture
def alone(tmp_path, postgresql) -> Iterator[Installation]:
    """An installation on it, with one web process; nothing runs yet."""
    made = Installation(tmp_path, DATABASE_URL=postgresql.create("populace"), POPULACE_WEB_PROCESSES="1")
    yield made
    made.stop()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy before the PostgreSQL of all tests."""
    assert Session.postgresql
    with Proxy(Session.postgresql.port) as made:
        yield made


@pytest.fixture
def incident(request) -> Incident:
    """What the test's fault does to requests: `incident.send(client, method, path, …)` sends and keeps it."""
    return INCIDENTS[request.node.nodeid]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Open an incident for each test of this folder that is about a fault."""
    INCIDENTS[item.nodeid] = Incident(item.name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Keep how the test went."""
    report = yield
    if report.when == "call":
        INCIDENTS[item.nodeid].outcome, INCIDENTS[item.nodeid].took_s = report.outcome, report.duration
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the report where `make faults` asked for all rounds."""
    told = [one for one in INCIDENTS.values() if one.outcome and one.injected]
    if not ROUNDS or not told:
        return
    today = datetime.now(UTC).date()
    folder = ROOT / "bench" / "results"
    engine = "" if ENGINE == "postgresql" else f"-{ENGINE}"
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    about = f"`make faults`: FAULT_ROUNDS={ROUNDS}, {database()}, {machine}"
    text = (
        f"# Faults, {today}\n\n{about}.\nTimes are what the tests' own clients saw, whatever else the machine did.\n\n"
    )
    (folder / f"{today}-faults{engine}.md").write_text(text + table(told))


def database() -> str:
    """Return the engine and its version."""
    if ENGINE != "postgresql":
        return ENGINE
    try:
        return subprocess.run([binaries() / "postgres", "--version"], capture_output=True, text=True).stdout.strip()
    except NotThere:
        return "no PostgreSQL"
