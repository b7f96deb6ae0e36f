"""What ARCHITECTURE.md says of a database that is gone."""

import pytest

from tests.support.processes import wait_until

pytestmark = pytest.mark.only_on("postgresql", "a file does not restart")


@pytest.fixture
def server(alone):
    """A running Populace on a PostgreSQL that no other test uses."""
    alone.start_web()
    alone.start_worker()
    return alone


def test_requests_answer_503_while_it_is_gone_and_all_processes_heal_by_themselves(server, postgresql):
    """Guards: populace/api/problems.py (503, never a trace), populace/infra/tasks/outlasting.py:outlasting (waits)."""
    person = f"/api/v1/users/{server.administrator_id}"
    worker = server.worker
    assert server.http.get(person).status_code == 200

    postgresql.stop_process()
    gone = [
        server.http.get(person),
        server.http.post("/api/v1/users", json={"username": "x"}),
        server.http.get("/readyz"),
    ]
    assert [answer.status_code for answer in gone] == [503, 503, 503]
    assert {answer.json()["code"] for answer in gone} == {"unavailable"}
    assert server.http.get("/livez").status_code == 200

    postgresql.start()
    wait_until(lambda: server.http.get(person).status_code == 200, "a GET answers again", 5)
    created = server.http.post("/api/v1/users", json={"email": "later@example.com"})
    assert created.status_code == 201
    wait_until(lambda: list((server.var / "mail").glob("*")), "the worker sends mail again", 15)
    assert server.worker is worker
    assert worker.poll() is None
