"""/livez, /readyz and /metrics: one scrape shows all processes, living and ended."""

import json
import subprocess
import sys

import pytest
from django.db import OperationalError, connection
from prometheus_client.parser import text_string_to_metric_families

from populace.audit.models import Event
from populace.infra.db.partitions import ensure_month_partitions
from tests.support.processes import environment, stop

pytestmark = pytest.mark.django_db

CHILD = """
import os, sys
os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]
from populace.infra.telemetry import metrics
metrics.EVENTS_DISPATCHED.inc(5)
metrics.TASKS_DONE.labels("mail").inc()
metrics.HTTP_SECONDS.labels("GET", "user", "200").observe(0.002)
metrics.OUTBOX_OLDEST.set(42)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(settings, tmp_path):
    settings.METRICS_DIR = tmp_path
    return tmp_path


@pytest.fixture
def child(folder):
    """Return `child() -> Popen` of a process that has counted something and stays."""
    children = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(PYTHONPATH="."),
        )
        assert process.stdout.readline() == b"ready\n"
        children.append(process)
        return process

    yield start
    for process in children:
        stop(process)
        process.stdin.close()
        process.stdout.close()


def scraped(client):
    response = client.get("/metrics")
    assert response["Content-Type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(response.content.decode())
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def test_one_scrape_adds_up_all_processes(client_of, child):
    child(), child()
    found = scraped(client_of(None))
    assert found["events_dispatched_total",] == 10
    assert found["tasks_done_total", "mail"] == 2
    assert found["http_request_duration_seconds_count", "GET", "user", "200"] == 2
    assert found["outbox_oldest_seconds",] == 42


def test_a_killed_process_leaves_its_counts_but_not_its_gauges_nor_its_files(client_of, child, folder):
    client, keeper = client_of(None), child()
    for _ in range(3):
        ended = child()
        ended.kill()
        ended.wait()
        before = scraped(client)
    assert scraped(client) == before
    assert before["events_dispatched_total",] == 20
    assert before["http_request_duration_seconds_bucket", "0.0025", "GET", "user", "200"] == 4
    # Four kinds of file for the living one, two of the ended ones together.
    assert len(list(folder.glob("*.db"))) == 6
    keeper.kill()
    keeper.wait()
    assert ("outbox_oldest_seconds",) not in scraped(client)


@pytest.mark.parametrize("name", ["counter_999999.db", "histogram_999999.db", "counter_ended.db", "counter_1.db"])
@pytest.mark.parametrize("content", [b"", b"\xff\xff\xff\x7f", b"\x20\0\0\0\0\0\0\0\x08\0\0\0not json" + bytes(16)])
def test_a_broken_file_is_left_out_and_goes_with_its_process(client_of, child, folder, name, content):
    """populace/infra/telemetry/scrape.py:_values"""
    (folder / name).write_bytes(content)
    child()
    assert scraped(client_of(None))["events_dispatched_total",] == 5
    assert (folder / name).exists() == ("999999" not in name)


def test_requests_are_measured_by_route_and_unknown_methods_are_one(client, make_user, settings):
    person = make_user()
    before = scraped(client)
    client.get(f"/api/v1/users/{person['id']}")
    for method in ("BREW", "X" * 50):
        client.generic(method, "/nope/" + method)
    after = scraped(client)
    name = "http_request_duration_seconds_count"
    assert after[name, "GET", "user", "200"] == before.get((name, "GET", "user", "200"), 0) + 1
    assert after[name, "other", "none", "404"] == before.get((name, "other", "none", "404"), 0) + 2
    assert not [key for key in after if "BREW" in key or person["id"] in key]


def test_outside_local_mode_the_metrics_need_a_token(client_of, token, settings):
    settings.LOCAL = False
    assert client_of(None).get("/metrics").status_code == 401
    assert client_of(token("users:read")).get("/metrics").status_code == 403
    for scope in ("metrics:read", "admin"):
        assert client_of(token(scope)).get("/metrics").status_code == 200


def test_the_probes_answer(client_of):
    assert client_of(None).get("/readyz").json()["status"] == (
        "degraded" if connection.vendor == "postgresql" else "ok"
    )
    ensure_month_partitions(Event, "at")
    for path in ("/livez", "/readyz", "/livez/"):
        response = client_of(None).get(path)
        assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_without_its_database_the_process_lives_but_is_not_ready(client_of, monkeypatch):
    def gone():
        raise OperationalError

    monkeypatch.setattr("populace.api.health._is_migrated", gone)
    assert client_of(None).get("/livez").status_code == 200
    response = client_of(None).get("/readyz")
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")


def test_a_database_without_its_migrations_is_not_ready(client_of, monkeypatch):
    from populace.api import health

    monkeypatch.setattr(health, "_migrated", False)
    monkeypatch.setattr(health.MigrationExecutor, "migration_plan", lambda self, targets: [("users", False)])
    response = client_of(None).get("/readyz")
    assert (response.status_code, json.loads(response.content)["code"]) == (503, "unavailable")
    monkeypatch.undo()
    assert client_of(None).get("/readyz").status_code == 200
