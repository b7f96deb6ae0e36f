"""One running installation for the attacks of a file, and what an attack must leave as it was."""

from collections.abc import Callable, Iterator

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
        assert {name for name in after if after[name] != before.get(name)} == set()
