"""F17, first clause: no event is refused because nobody made its month in time; and somebody is told.

(Retention, and dropping a month while it is read, come with the issue that builds retention.)
"""

from datetime import UTC, datetime

import psycopg
import pytest

from populace.infra.db.partitions import month_after
from tests.support.processes import wait_until
from tests.support.sql import rows

pytestmark = pytest.mark.only_on("postgresql", "only PostgreSQL has partitions")

WHERE = "SELECT tableoid::regclass::text FROM audit_event WHERE subject_id = '{}'"


@pytest.fixture
def without_months(installation):
    """An installation that has run for months without its worker: no partition but the default one is left."""
    today = datetime.now(UTC).date().replace(day=1)
    names = [f"audit_event_{month_after(today, number):%Y_%m}" for number in range(4)]
    with psycopg.connect(installation.env["DATABASE_URL"], autocommit=True) as connection:
        for name in names:
            connection.execute(f"ALTER TABLE audit_event DETACH PARTITION {name}")
            connection.execute(f"DROP TABLE {name}")
    installation.start_web()
    return installation, names


def test_f17_inserts_go_on_in_the_default_partition_and_readiness_is_degraded(without_months, incident):
    """Guard: populace/infra/db/operations.py:CreatePartitionedModel (the default partition), partitions.py:made, and
    populace/api/health.py:readyz.
    """
    incident.injected = "no partition of this month and the next three"
    server, months = without_months
    url = server.env["DATABASE_URL"]
    ready = server.http.get("/readyz")
    assert ready.status_code == 200  # it serves: taking it out of service would help nobody
    assert ready.json() == {"status": "degraded", "reasons": [f"no partition {name}" for name in months[:2]]}

    made = incident.send(server.http, "POST", "/api/v1/users", json={"email": "late@example.org"})
    assert made.status_code == 201, made.text
    assert rows(url, WHERE.format(made.json()["id"])) == [("audit_event_default",)]
    events = server.http.get(f"/api/v1/events?subject={made.json()['id']}").json()["results"]
    assert [event["action"] for event in events] == ["user.created"]

    server.start_worker()
    wait_until(lambda: server.http.get("/readyz").json().get("reasons") == [f"no partition {months[0]}"], "next month")
    # This month's events are in the default partition already, and stay there.
    wait_until(lambda: "audit_partitions_missing 1.0" in server.http.get("/metrics").text, "the alert's metric")
    assert server.http.patch(made.headers["Location"], json={"first_name": "Ann"}).status_code == 200
    events = server.http.get(f"/api/v1/events?subject={made.json()['id']}").json()["results"]
    assert [event["action"] for event in events] == ["user.updated", "user.created"]
    assert "months" in server.populace("doctor", "--json", expected=1)
