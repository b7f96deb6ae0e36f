"""One running installation for the attacks of a file, and what an attack must leave as it was."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.support import doors
from tests.support.installation import Installation
from tests.support.missing import missing
from tests.support.plugin import Session
from tests.support.sql import digest


@pytest.fixture(scope="module")
def town(tmp_path_factory) -> Iterator[Installation]:
    """A running installation with four web processes, shared by the tests of a file: names must not meet."""
    if Session.missing:
        missing(Session.missing)
    made = Installation(tmp_path_factory.mktemp("town"), POPULACE_WEB_PROCESSES="4")
    made.start_web()
    yield doors.ready(made)
    made.stop()


@pytest.fixture(scope="module")
def make(town) -> Iterator[Callable[..., tuple[str, httpx.Client]]]:
    """Return `make(name, *roles, scopes=("admin",)) -> (id, client)`: a new person with a token of these scopes."""
    clients = []

    def make(name, *roles, scopes=("admin",)):
        made = town.http.post(doors.USERS, json={"email": f"{name}@example.com"}).json()
        town.http.post(f"{doors.USERS}/{made['id']}/roles", json={"add": roles}).raise_for_status()
        body = {"name": name, "scopes": scopes, "owner": made["id"]}
        secret = town.http.post("/api/v1/tokens", json=body).json()["secret"]
        clients.append(httpx.Client(base_url=town.url, headers={"Authorization": f"Bearer {secret}"}, timeout=10))
        return made["id"], clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture(params=doors.DOORS, ids=lambda door: door.name)
def door(request) -> doors.Door:
    """Each door in turn."""
    return request.param


@pytest.fixture
def same(town) -> Iterator[Callable[[], None]]:
    """At the test's end every table but the log must be as it was; `same()` says that from here on it counts."""
    before = {}

    def from_here() -> None:
        before.update(digest(town.env["DATABASE_URL"]))

    yield from_here
    if before:
        after = digest(town.env["DATABASE_URL"])
        changed = {name for name in after if after[name] != before.get(name)}
        assert changed - (JOB if "bulk_job" in changed else set()) == set()


JOB = {"bulk_job", "bulk_joberror", "bulk_jobfile", "tasks_taskrow", "audit_outbox"}
"""What an import leaves that brought nobody in: that it was asked for, what was wrong, and that somebody is told."""
