"""F25: web and worker are killed where it hurts most, many times, and nothing is lost.

`make faults` sets FAULT_ROUNDS=200; the suite kills 5 of each.
"""

import os
import random
import re
import signal
import sys
import threading
from collections import Counter

import httpx
import psycopg
import pytest

from tests.support.processes import start, wait_until
from tests.support.sql import rows

KILLS = int(os.environ.get("FAULT_ROUNDS", "5"))
DYING_WEB = "from tests.support.dying import serve; serve()"


class WorkerKiller(threading.Thread):
    """Starts the installation's worker and kills it at a random moment, `KILLS` times."""

    def __init__(self, installation) -> None:
        super().__init__(daemon=True)
        self.installation, self.kills = installation, 0

    def run(self) -> None:
        while self.kills < KILLS:
            self.installation.start_worker()
            # Long enough to be at work in most rounds: it starts in about 0.6 s.
            threading.Event().wait(random.uniform(0.5, 1.5))
            os.kill(self.installation.worker.pid, signal.SIGKILL)
            self.installation.worker.wait()
            self.kills += 1


@pytest.fixture
def dying(installation):
    """An installation whose web processes die between COMMIT and reply when a request says so."""
    installation.env |= {"POPULACE_WEB_PROCESSES": "2"}
    start_web(installation)
    return installation


def start_web(installation) -> None:
    with (installation.var / "web.log").open("ab") as log:
        installation.web = start([sys.executable, "-c", DYING_WEB], installation.env, stdout=log, stderr=log)
    wait_until(installation.ready, "web")


def create(installation, name: str, *, die: bool) -> bool:
    """Create a person; tell whether a reply came."""
    headers = {"X-Test-Die": "1"} if die else {}
    body = {"username": name, "email": f"{name}@example.com"}
    try:
        reply = installation.http.post("/api/v1/users", json=body, headers=headers)
    except httpx.TransportError:
        # granian replaces a dead process, and gives up on one that dies twice in 5.5 s: then, as in production, its
        # supervisor starts it again.
        if installation.web.poll() is not None:
            start_web(installation)
        return False
    assert reply.status_code == 201, reply.text
    return True


def killed(installation, name: str) -> None:
    """Have a web process die after it committed `name`; a request that found no process is sent again."""

    def committed() -> bool:
        assert not create(installation, name, die=True)
        found = f"SELECT 1 FROM users_identifier WHERE key = 'username:{name}'"
        return bool(rows(installation.env["DATABASE_URL"], found))

    wait_until(committed, f"{name} committed")


def mails_to(installation) -> Counter[str]:
    """Count the mails that lie in the folder by their address; a file can hold several."""
    folder = installation.var / "mail"
    lines = [line for path in folder.glob("*.log") for line in path.read_text().splitlines()]
    return Counter(line.removeprefix("To: ") for line in lines if line.startswith("To: "))


def events_of_people(installation) -> Counter[str]:
    """Count the `user.created` events of each user name."""
    joined = (
        "SELECT u.username FROM users_user u JOIN audit_event e ON e.subject_id = u.id"
        " WHERE e.action = 'user.created' AND u.username <> ''"
    )
    return Counter(name for (name,) in rows(installation.env["DATABASE_URL"], joined))


@pytest.mark.timeout(900)
def test_f25_killed_web_and_worker_lose_no_event_and_no_mail(dying, incident):
    """populace/users/actions.py:create_user: event and outbox row are in the person's own transaction."""
    incident.injected, incident.rounds = "kill -9 of web between COMMIT and reply, of the worker at random", KILLS
    workers = WorkerKiller(dying)
    workers.start()
    people = []
    for number in range(KILLS):
        people += [f"calm{number}", f"killed{number}"]
        wait_until(lambda name=f"calm{number}": create(dying, name, die=False), "a web process that answers")
        killed(dying, f"killed{number}")
    workers.join()
    dying.start_worker()
    addresses = {f"{name}@example.com" for name in people}
    wait_until(lambda: addresses <= set(mails_to(dying)), "every welcome mail", timeout_s=60)
    assert workers.kills == KILLS
    assert events_of_people(dying) == dict.fromkeys(people, 1)
    url = dying.env["DATABASE_URL"]
    seqs = [seq for (seq,) in rows(url, "SELECT seq FROM audit_feed ORDER BY seq")]
    assert seqs == list(range(1, len(seqs) + 1))
    fed = rows(url, "SELECT event_id FROM audit_feed")
    happened = rows(url, "SELECT id FROM audit_event")
    assert sorted(fed) == sorted(happened)
    assert set(mails_to(dying)) == addresses
    incident.note = f"{len(people)} people, one event each, the feed gapless, every mail at least once"


@pytest.mark.only_on("postgresql", "the hand-over is held up by a row lock")
def test_f25_what_waits_for_hand_over_is_seen_and_then_happens(dying, incident):
    """Web dies between COMMIT and reply while nobody can hand over. Guards: populace/users/actions.py:create_user (the
    outbox row is in the same transaction), populace/audit/worker.py:look (outbox_oldest_seconds).
    """
    incident.injected = "kill -9 of web between COMMIT and reply, the feed's counter locked"
    killed(dying, "waiting")
    with psycopg.connect(dying.env["DATABASE_URL"]) as connection:
        connection.execute("SELECT 1 FROM audit_counter FOR UPDATE")
        dying.start_worker()
        wait_until(lambda: oldest(dying) > 1, "outbox_oldest_seconds")
        assert mails_to(dying) == {}
    wait_until(lambda: mails_to(dying) == {"waiting@example.com": 1}, "the welcome mail", timeout_s=30)
    wait_until(lambda: oldest(dying) == 0, "nothing waits")


def oldest(installation) -> float:
    told = installation.http.get("/metrics").text
    return float((re.findall(r"^outbox_oldest_seconds (\S+)$", told, re.MULTILINE) or ["0"])[0])
