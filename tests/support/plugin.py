"""Give Django its settings before pytest-django loads them: a database server, a var folder, local mode.

Loaded with `-p` (pyproject.toml): a conftest.py would come too late. POPULACE_TEST_ENGINE chooses the engine.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mariadb import MariaDB
from tests.support.postgresql import UNSYNCED, NotThere, PostgreSQL

ENGINE = os.environ.get("POPULACE_TEST_ENGINE", "postgresql")
SERVERS = {"postgresql": lambda: PostgreSQL(**UNSYNCED), "mariadb": MariaDB}
if ENGINE not in (*SERVERS, "sqlite"):
    raise pytest.UsageError(f"POPULACE_TEST_ENGINE={ENGINE}: must be postgresql, mariadb or sqlite")

# What settings begin with, `*_FILE` twins included.
SETTINGS = (
    "POPULACE_",
    "DATABASE_",
    "CACHE_URL",
    "TASKS_URL",
    "SESSION_STORE",
    "EMAIL_URL",
    "FILES_URL",
    "PORT",
    "DEMO",
)


class Session:
    """What one run of the tests has for itself."""

    var: Path
    server: PostgreSQL | MariaDB | None = None  # None: SQLite needs none, or it is missing
    postgresql: PostgreSQL | None = None  # the same, where it is PostgreSQL
    missing: str = ""  # why there is no server; "" where there is one


def database_url() -> str:
    """Start the engine and return the URL the settings read; where it cannot start, Session.missing says why."""
    if ENGINE == "sqlite":
        return f"sqlite:///{Session.var / 'populace.sqlite3'}"
    try:
        Session.server = SERVERS[ENGINE]()
    except NotThere as reason:
        Session.missing = str(reason)
        return f"{'mysql' if ENGINE == 'mariadb' else 'postgres'}://populace@127.0.0.1:1/missing"
    url = Session.server.url("populace")
    if not isinstance(Session.server, PostgreSQL):
        return url
    Session.postgresql = Session.server
    return url + "?pool_max=50"  # tests have more threads than a web process


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests() -> Iterator[None]:
    """Set the environment, then let pytest-django read the settings."""
    for name in [name for name in os.environ if name.startswith(SETTINGS)]:
        del os.environ[name]  # the tester's own installation is none of the tests' business
    Session.var = Path(tempfile.mkdtemp(prefix="populace-var-"))
    os.environ |= {
        "POPULACE_MODE": "local",
        "POPULACE_SECRET_KEY": "only-for-tests-" + "x" * 50,
        "POPULACE_VAR_DIR": str(Session.var),
        "POPULACE_RATE_LIMIT": "1000",  # tests ask fast, but should see the headers
        "EMAIL_URL": f"file://{Session.var / 'mail'}",
        "FILES_URL": f"file://{Session.var / 'files'}",
        "DATABASE_URL": database_url(),
    }
    return (yield)


def pytest_configure(config: pytest.Config) -> None:
    """Declare our marker."""
    config.addinivalue_line("markers", "only_on(engine, …, why): the test says nothing about the other engines")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Function]) -> None:
    """Leave out what is about another engine: it is not skipped, there is nothing it could say here."""
    others = [item for item in items if (mark := item.get_closest_marker("only_on")) and ENGINE not in mark.args[:-1]]
    items[:] = [item for item in items if item not in others]
    config.hook.pytest_deselected(items=others)
    share_committed_rows(items)


def share_committed_rows(items: list[pytest.Function]) -> None:
    """Give every test that commits the rows that migrations made (the feed's counter).

    All or none: after a flush Django makes content types anew unless this is asked for, and the next test that asks
    would find them twice.
    """
    for item in items:
        mark = item.get_closest_marker("django_db")
        if "transactional_db" in item.fixturenames or (mark and mark.kwargs.get("transaction")):
            item.fixturenames.append("django_db_serialized_rollback")


def pytest_report_header() -> str:
    """Say which engine this run is about."""
    return f"engine: {ENGINE}" + (f" ({Session.missing})" if Session.missing else "")


def pytest_unconfigure() -> None:
    """Stop the server and remove the folder."""
    if Session.server:
        Session.server.stop()
    shutil.rmtree(Session.var, ignore_errors=True)
