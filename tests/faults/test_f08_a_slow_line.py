"""F08: a line to PostgreSQL on which every answer takes its time, so that round trips count."""

import time

import psycopg
import pytest

from tests.support.plugin import Session
from tests.support.proxy import Proxy
from tests.support.stand import get, kept, load

pytestmark = pytest.mark.only_on("postgresql", "there is no line to a file")

USERS = "/api/v1/users"


@pytest.fixture
def proxy(installation):
    assert Session.postgresql
    with Proxy(Session.postgresql.port) as between:
        installation.direct = installation.env["DATABASE_URL"]
        installation.env |= {"DATABASE_URL": between.url(installation.direct), "POPULACE_WEB_PROCESSES": "1"}
        yield between


@pytest.fixture
def server(installation, proxy):
    installation.start_web()
    return installation


def trips(server, proxy, path: str) -> int:
    """Return the least number of round trips of three GETs: at first statements are prepared, rights looked up anew."""
    found = []
    for _ in range(3):
        proxy.trips = 0
        assert server.http.get(path).status_code == 200
        found.append(proxy.trips)
    return min(found)


def in_transactions(server) -> int:
    with psycopg.connect(server.direct) as own:
        row = own.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
        ).fetchone()
    assert row
    return row[0]


def test_f08_a_request_makes_few_round_trips(server, proxy):
    """Guards: populace/infra/db/postgresql/base.py:DatabaseWrapper.connect (takes a connection as it is),
    populace/infra/db/compiled.py:Prepared.execute (one trip a statement).
    """
    person = server.http.post(USERS, json={"username": "far-away"}).json()["id"]
    assert trips(server, proxy, f"{USERS}/{person}") == 1  # the catalogue allows 2
    assert trips(server, proxy, USERS) <= 3
    assert trips(server, proxy, f"{USERS}?q=far&limit=50") <= 3


@pytest.mark.parametrize("delay_ms", [50, 200])
def test_f08_delay_is_no_error_and_leaves_no_transaction_open(server, proxy, incident, delay_ms):
    """Guards: populace/infra/db/pool.py:Pool._call (who waits longest is served first)."""
    incident.injected = f"{delay_ms} ms more each way"
    numbers = iter(range(1000))
    proxy.delay(delay_ms)
    calls = [get(f"{USERS}/{server.administrator_id}")] * 3 + [get(USERS)] * 2
    calls += [lambda client: client.post(USERS, json={"username": f"slow{next(numbers)}"})]
    with load(server, calls) as answers:
        time.sleep(4)
    assert set(kept(incident, answers)) == {"200", "201"}
    assert in_transactions(server) == 0
