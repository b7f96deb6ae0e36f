"""A28 over HTTP: with four processes hot on a token, its end, its owner's demotion and deactivation count at once."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.processes import children, wait_until
from tests.support.sql import rows

CALLERS, ROUNDS = 8, 12


class Callers:
    """Threads that use a token without a pause, each call on a connection of its own, so on any process."""

    def __init__(self, url, secret):
        self.url, self.headers = url, {"Authorization": f"Bearer {secret}", "Connection": "close"}
        self.told, self.over, self.late = Counter(), threading.Event(), Counter()
        self.ended, self.stop = threading.Event(), threading.Event()

    def call(self):
        while not self.stop.is_set():
            begun_after = self.ended.is_set()
            status = httpx.get(self.url, headers=self.headers, timeout=10).status_code
            (self.late if begun_after else self.told)[status] += 1

    def around(self, end):
        """Run while `end` is called; return what was answered to requests that began after `end` had returned."""
        with ThreadPoolExecutor(CALLERS) as pool:
            running = [pool.submit(self.call) for _ in range(CALLERS)]
            while self.told[200] < CALLERS * ROUNDS:
                assert not any(one.done() for one in running)
            end()
            self.ended.set()
            while sum(self.late.values()) < CALLERS * ROUNDS:
                assert not any(one.done() for one in running)
            self.stop.set()
        return set(self.late)


@pytest.mark.parametrize("how", ["revoke", "deactivate", "demote", "leave"])
def test_a28_no_process_takes_it_from_the_answer_on(town, how):
    """Guard: populace/api/authentication.py:_VALID in every request; populace/groups/guards.py:rights_changed."""
    wait_until(lambda: len(children(town.web.pid)) >= 4, "four web processes")
    http = town.http
    person = http.post("/api/v1/users", json={"email": f"hot-{how}@example.com"}).json()["id"]
    group = http.post("/api/v1/groups", json={"name": f"Viewers {how}", "roles": ["viewer"]}).json()["id"]
    http.post(f"/api/v1/groups/{group}/members", json={"add": [person]})
    if how == "demote":
        http.post(f"/api/v1/groups/{group}/members", json={"remove": [person]})
        http.post(f"/api/v1/users/{person}/roles", json={"add": ["viewer"]})
    token = http.post("/api/v1/tokens", json={"name": "hot", "scopes": ["admin"], "owner": person}).json()
    ends = {
        "revoke": lambda: http.delete(f"/api/v1/tokens/{token['id']}"),
        "deactivate": lambda: http.post(f"/api/v1/users/{person}/deactivate"),
        "demote": lambda: http.post(f"/api/v1/users/{person}/roles", json={"remove": ["viewer"]}),
        "leave": lambda: http.post(f"/api/v1/groups/{group}/members", json={"remove": [person]}),
    }
    callers = Callers(f"{town.url}/api/v1/users/{person}", token["secret"])
    assert callers.around(lambda: ends[how]().raise_for_status()) == {403 if how in ("demote", "leave") else 401}
    told = f"SELECT action FROM audit_event WHERE subject_id = '{person}' AND action = 'token.revoked'"
    if not town.env["DATABASE_URL"].startswith("sqlite"):  # stores ids without dashes
        assert len(rows(town.env["DATABASE_URL"], told)) == (how == "revoke")
