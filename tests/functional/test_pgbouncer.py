"""Behind a real PgBouncer in transaction mode: everything works, and `populace doctor` sees what stands there."""

import json
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.support.installation import POPULACE, Installation
from tests.support.missing import missing
from tests.support.pgbouncer import PgBouncer, version
from tests.support.postgresql import NotThere
from tests.support.processes import ROOT

pytestmark = pytest.mark.only_on("postgresql", "PgBouncer knows nothing else")

KEEPING = (1, 21)  # the first release that keeps what its clients prepare
USERS, GROUPS = "/api/v1/users", "/api/v1/groups"


@pytest.fixture
def behind(installation) -> Iterator[Callable[..., PgBouncer]]:
    """Return `behind(query, keeps=False, **options)`: a PgBouncer is put before the installation's database.

    `query` stands in the URL, `keeps` says whether it keeps prepared statements; the rest is PgBouncer's.
    """
    running: list[PgBouncer] = []

    def stand(query: str = "pgbouncer=transaction", *, keeps: bool = False, **options: Any) -> PgBouncer:
        try:
            if version() >= KEEPING:
                options["max_prepared_statements"] = "200" if keeps else "0"
            elif keeps:
                pytest.skip("this PgBouncer is older than 1.21, which keeps prepared statements")  # Debian 12 has 1.18
            made = PgBouncer(installation.env["DATABASE_URL"], **options)
        except NotThere as reason:
            missing(str(reason))
        running.append(made.__enter__())
        installation.env |= {"DATABASE_URL": f"{made.url}?{query}", "POPULACE_WEB_PROCESSES": "1"}
        return made

    yield stand
    installation.stop()
    for one in running:
        one.__exit__()


def one_life(server: Installation, number: int) -> list[int]:
    """Create, read, list, change and group somebody; return each status."""
    http = server.http
    created = http.post(USERS, json={"username": f"pooled{number}"}, headers={"Idempotency-Key": f"pooled{number}"})
    person, group = f"{USERS}/{created.json()['id']}", http.post(GROUPS, json={"name": f"pool{number}"})
    members = f"{GROUPS}/{group.json()['id']}/members"
    answers = [
        created,
        http.get(person),
        http.get(USERS, params={"limit": 50, "count": "capped"}),
        http.patch(person, json={"first_name": "Zoë"}),
        group,
        http.post(members, json={"add": [created.json()["id"]]}),
        http.get(USERS, params={"group": group.json()["id"]}),
        http.post(f"{person}/deactivate"),
        http.delete(person),
    ]
    return [answer.status_code for answer in answers]


def test_behind_pgbouncer_many_at_once_meet_no_error(installation, behind):
    """Guards: config/engines.py:session (nothing prepared, no `options` sent), deploy/pgbouncer/pgbouncer.ini."""
    behind(default_pool_size="3")  # fewer sessions than clients: each statement may meet another one
    installation.start_web()
    installation.start_worker()
    with ThreadPoolExecutor(8) as clients:
        lives = list(clients.map(lambda number: one_life(installation, number), range(24)))
    assert {status for life in lives for status in life} <= {200, 201, 204}


def test_limits_are_in_force_behind_pgbouncer(behind):
    """Guards: deploy/pgbouncer/pgbouncer.ini (connect_query)."""
    with psycopg.connect(behind().url, autocommit=True, prepare_threshold=None) as own:
        names = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "plan_cache_mode"]
        assert [own.execute(f"SHOW {name}").fetchone() for name in names] == [
            ("5s",),
            ("2s",),
            ("10s",),
            ("force_generic_plan",),
        ]


def doctor(installation: Installation) -> dict[str, tuple[bool, str]]:
    done = subprocess.run(
        [POPULACE, "doctor", "--json"], cwd=ROOT, env=installation.env, capture_output=True, text=True
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == (0 if all(one["ok"] for one in found) else 1), done.stderr
    return {one["check"]: (one["ok"], one["detail"]) for one in found}


def test_doctor_finds_that_nothing_stands_between(installation):
    found = doctor(installation)
    assert found["pooler"] == (True, "none, statements are prepared")
    assert found["limits"] == (True, "in force")
    assert found["connections"][0]


def test_doctor_finds_pgbouncer_as_the_url_says(installation, behind):
    behind()
    found = doctor(installation)
    assert found["pooler"] == (True, "in transaction mode, nothing is prepared")
    assert found["limits"] == (True, "in force")


def test_doctor_finds_pgbouncer_that_the_url_does_not_mention(installation, behind):
    """Guards: populace/infra/db/sessions.py:between (compares who was met with who answers)."""
    behind("", ignore_startup_parameters="options")
    ok, detail = doctor(installation)["pooler"]
    assert (ok, "add pgbouncer=transaction" in detail) == (False, True)


def test_doctor_finds_limits_that_pgbouncer_swallowed(installation, behind):
    behind(limits=False)
    ok, detail = doctor(installation)["limits"]
    assert (ok, "statement_timeout is 0 ms" in detail) == (False, True)


def test_doctor_finds_a_url_that_tells_of_a_pgbouncer_which_is_not_there(installation):
    installation.env["DATABASE_URL"] += "?pgbouncer=transaction"
    ok, detail = doctor(installation)["pooler"]
    assert (ok, "nothing is prepared for no reason" in detail) == (False, True)


def test_doctor_finds_that_an_old_pgbouncer_does_not_keep_statements(installation, behind):
    """Guards: populace/infra/db/sessions.py:_is_renamed."""
    behind("pgbouncer=transaction&prepared=on")
    ok, detail = doctor(installation)["pooler"]
    assert (ok, "take prepared=on out" in detail) == (False, True)


def test_a_new_pgbouncer_serves_prepared_statements_and_doctor_finds_it(installation, behind):
    """Guards: config/engines.py:session (prepared=on), populace/infra/db/sessions.py:_is_renamed."""
    behind("pgbouncer=transaction&prepared=on", keeps=True, default_pool_size="3")
    assert doctor(installation)["pooler"] == (True, "in transaction mode, statements are prepared")
    installation.start_web()
    with ThreadPoolExecutor(8) as clients:
        lives = list(clients.map(lambda number: one_life(installation, number), range(24)))
    assert {status for life in lives for status in life} <= {200, 201, 204}


def test_doctor_adds_up_the_connections(installation):
    installation.env["POPULACE_WEB_PROCESSES"] = "100"
    assert doctor(installation)["connections"] == (
        False,
        "100 processes x 3 and 5 of the worker, of 197 that the server takes",
    )
