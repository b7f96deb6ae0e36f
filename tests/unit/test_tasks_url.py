"""TASKS_URL: what is taken, and what ends the start with a line that says why."""

import pytest
from redis import Redis

from config import engines
from config.env import EnvError


def parsed(url):
    return engines.tasks("TASKS_URL", url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("database://", ("database", "")),
        ("celery+redis://h:1/2", ("celery", "redis://h:1/2")),
        ("celery+amqp://u:p@h/v", ("celery", "amqp://u:p@h/v")),
        ("celery+amqps://h", ("celery", "amqps://h")),
        ("rq+rediss://h", ("rq", "rediss://h")),
        ("q2+redis://h:6379", ("q2", "redis://h:6379")),
    ],
)
def test_an_engine_and_its_broker(url, expected):
    assert parsed(url) == expected


@pytest.mark.parametrize(("query", "timeout"), [("", 10), ("?socket_timeout=3", 3)])
def test_django_q2_waits_for_its_broker_no_longer_than_so_many_seconds(query, timeout):
    """Guard: config/engines.py:q2 (limits)."""
    options = Redis.from_url(engines.q2(f"redis://h:6379/2{query}")["redis"]).connection_pool.connection_kwargs
    assert (options["socket_connect_timeout"], options["socket_timeout"], options["db"]) == (4, timeout, 2)


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "celery://h",
        "celery",
        "",
        "rq+amqp://h",
        "database+redis://h",
        "kafka+x://h",
        "+redis://h",
        "q2+://h",
    ],
)
def test_what_is_no_engine_is_refused_with_those_that_are(url):
    with pytest.raises(EnvError, match=r"TASKS_URL: must begin with one of database://, celery\+redis://"):
        parsed(url)


@pytest.mark.parametrize("url", ["database://secret@h/x", "database://x", "database:"])
def test_the_database_takes_nothing_more_and_a_secret_is_not_repeated(url):
    with pytest.raises(EnvError) as refused:
        parsed(url)
    assert "secret" not in str(refused.value)


def test_a_package_that_is_not_there_is_named_with_the_way_to_get_it(monkeypatch):
    """Guard: config/engines.py:tasks (find_spec)."""
    monkeypatch.setitem(engines.PACKAGES, "rq", "no_such_package")
    with pytest.raises(EnvError, match=r"TASKS_URL: needs a package .* pip install 'populace\[rq\]'"):
        parsed("rq+redis://h")


def test_every_engine_has_its_extra_of_the_same_name():
    import tomllib
    from pathlib import Path

    made = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())
    assert set(made["project"]["optional-dependencies"]) >= set(engines.PACKAGES)
