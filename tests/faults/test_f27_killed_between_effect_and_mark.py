"""F27: a worker is killed when the mail has gone out and nothing says so yet; `make faults` sets FAULT_ROUNDS=200."""

import os
import signal
import sys
from collections import Counter

import pytest

from tests.support.mailserver import MailServer
from tests.support.processes import start, wait_until
from tests.support.sql import rows

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "5"))
DYING = "from tests.support.dying import work; work()"


@pytest.fixture
def mails():
    made = MailServer()
    yield made
    made.refuse()


def kill(installation) -> None:
    """Start a worker that dies after its first mail, and wait for its end."""
    with (installation.var / "worker.log").open("ab") as log:
        dying = start([sys.executable, "-c", DYING], installation.env, stdout=log, stderr=log)
    assert dying.wait(60) == -signal.SIGKILL


@pytest.mark.timeout(1800)
def test_f27_a_mail_is_repeated_at_most_once_for_each_kill_and_is_the_same_mail(installation, mails, incident):
    """Guards: populace/users/tasks.py:welcome (Message-ID from the event's id), populace/infra/tasks/queue.py:claim
    (the lease brings it back).
    """
    incident.injected, incident.rounds = "kill -9 of the worker between mail and mark", ROUNDS
    installation.env["EMAIL_URL"] = f"smtp://127.0.0.1:{mails.port}"
    installation.start_web()
    kills = Counter()
    for number in range(ROUNDS):
        address = f"person{number}@example.com"
        answer = incident.send(installation.http, "POST", "/api/v1/users", json={"email": address})
        assert answer.status_code == 201, answer.text
        for _ in range(1 + number % 2):  # the same mail twice, too
            before = len(mails.received)
            kill(installation)
            [*_, mail] = mails.received
            assert len(mails.received) == before + 1
            kills[mail.to] += 1
    installation.start_worker()
    ours = "FROM tasks_taskrow WHERE name = 'populace.users.tasks.welcome'"
    undone = f"SELECT count(*) {ours} AND state = 0"
    wait_until(lambda: rows(installation.env["DATABASE_URL"], undone) == [(0,)], "every task is marked", 60)
    copies = Counter(mail.to for mail in mails.received)
    assert copies == {f"person{number}@example.com": 1 for number in range(ROUNDS)} | {
        address: 1 + times for address, times in kills.items()
    }
    ids = {(mail.to, mail.message_id) for mail in mails.received}
    assert len(ids) == len({message_id for _, message_id in ids}) == ROUNDS
    tried = rows(installation.env["DATABASE_URL"], f"SELECT sum(attempts) {ours}")
    assert int(tried[0][0]) >= len(mails.received)  # each is on record; a row claimed beside the killed one counts, too
    incident.note = f"{ROUNDS} mails, {kills.total()} kills, {len(mails.received)} copies, {ROUNDS} Message-IDs"
