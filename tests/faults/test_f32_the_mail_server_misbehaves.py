"""F32: the mail server refuses, says 421, hangs, drips, hangs up or bounces; mail waits, and nothing else does."""

import json
import re
import sys
import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils.timezone import now

from tests.support.mailserver import TRY_S, MailServer
from tests.support.processes import start, wait_until
from tests.support.sql import rows

WORKER = "from tests.support.mailserver import work; work()"
USERS = "/api/v1/users"
EVENT = str(uuid4())


@pytest.fixture
def mails():
    made = MailServer()
    yield made
    made.refuse()


@pytest.fixture
def posted(installation, mails):
    """A running Populace that sends by the misbehaving server; its worker has shorter limits than the real one."""
    installation.env["EMAIL_URL"] = f"smtp://127.0.0.1:{mails.port}"
    installation.start_web()
    with (installation.var / "worker.log").open("ab") as log:
        installation.worker = start([sys.executable, "-c", WORKER], installation.env, stdout=log, stderr=log)
    return installation


def create(installation, incident, *names):
    for name in names:
        body = {"username": name, "email": f"{name}@example.com"}
        answer = incident.send(installation.http, "POST", USERS, json=body)
        assert answer.status_code == 201, answer.text


def metric(installation, name):
    found = re.search(rf"^{re.escape(name)} (\S+)$", installation.http.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def addresses(received):
    return {mail.to for mail in received}


@pytest.mark.parametrize("mode", ["refuse", "421", "hang", "trickle", "drop", "defer"])
def test_f32_mail_waits_until_the_server_is_well_again_and_requests_do_not(posted, mails, incident, mode):
    """Guards: populace/infra/mail/delivery.py:deliver (another try, whatever the number), populace/infra/mail/smtp.py:
    Bounded._get_socket (hang, trickle), populace/infra/mail/waiting.py:observe.
    """
    incident.injected = f"the mail server: {mode}"
    mails.mode = mode
    if mode == "refuse":
        mails.refuse()
    create(posted, incident, "ann", "bob", "cid")
    kind = "deferred" if mode == "defer" else "server"
    wait_until(lambda: metric(posted, f'mail_failures_total{{kind="{kind}"}}') >= 2, "two failed tries", 40)
    wait_until(lambda: metric(posted, "mail_oldest_seconds") > 1, "the age of the oldest mail")
    create(posted, incident, "dora")
    assert not mails.received
    mails.mode = "ok"
    if mode == "refuse":
        mails.listen()
    everybody = {f"{name}@example.com" for name in ("ann", "bob", "cid", "dora")}
    wait_until(lambda: addresses(mails.received) == everybody, "every mail", 60)
    assert len(mails.received) == 4
    ids = {mail.to: mail.message_id for mail in mails.received}
    assert all(ids[mail.to] == mail.message_id for mail in mails.dropped)  # a mailbox that has both shows one
    wait_until(lambda: metric(posted, "mail_oldest_seconds") == 0, "no mail waits")
    assert metric(posted, 'jobs_dead_total{task="populace.users.tasks.welcome"}') == 0


@pytest.mark.timeout(180)
def test_f32_a_server_that_hangs_holds_up_no_other_work(posted, mails, incident, tmp_path):
    """While 40 mails wait, an import's digests are wrapped by the bulk lane. Guard: populace/infra/mail/delivery.py:
    deliver (a failing server is left alone).
    """
    incident.injected = "the mail server hangs after EHLO, 40 mails wait"
    mails.mode = "hang"
    create(posted, incident, *(f"waits{number}" for number in range(40)))
    wait_until(lambda: mails.tries, "a first try")
    began = time.monotonic()
    path = tmp_path / "people.jsonl"
    path.write_text(json.dumps({"username": "digest", "password_hash": "md5$salt$" + "0" * 32}))
    posted.populace("import", str(path))
    stored = "SELECT password FROM users_user WHERE username = 'digest'"
    wait_until(lambda: rows(posted.env["DATABASE_URL"], stored)[0][0].startswith("argon2_wrapped"), "wrapped", 60)
    seconds = time.monotonic() - began
    assert len(mails.tries) <= 2 + seconds / (3 * TRY_S)  # each takes TRY_S, and twice that is left between them


def test_f32_one_recipient_who_bounces_is_dropped_and_told_and_the_others_get_theirs(posted, mails, incident):
    """Guard: populace/infra/mail/delivery.py:is_refused."""
    incident.injected = "the mail server bounces one recipient"
    mails.mode = "bounce"
    create(posted, incident, "ann", "bouncer", "bob")
    wait_until(lambda: len(mails.received) == 2, "the others' mails")
    wait_until(lambda: metric(posted, 'mail_dropped_total{why="refused"}') == 1, "the bounce")
    assert addresses(mails.received) == {"ann@example.com", "bob@example.com"}
    assert len(mails.tries) == 3
    told = [line for line in (posted.var / "worker.log").read_text().splitlines() if "mail_" in line]
    bouncer = posted.http.get(f"{USERS}?username=bouncer").json()["results"][0]["id"]
    assert [json.loads(line)["event"] for line in told] == ["mail_failed", "mail_dropped"]
    assert all(bouncer in line and "bouncer@" not in line for line in told)
    assert json.loads(told[0])["codes"] == [550]
    open_rows = "SELECT count(*) FROM tasks_taskrow WHERE state = 0"
    wait_until(lambda: rows(posted.env["DATABASE_URL"], open_rows) == [(0,)], "nothing waits")


# What one try costs and when a mail is given up, in this process: the same server, the real limits made shorter.


@pytest.fixture
def here(settings, mails, monkeypatch):
    """Have this process send by the server; a try takes at most 0.5 s, and nothing is left of earlier failures."""
    from populace.infra.mail import delivery, smtp

    options = {"host": "127.0.0.1", "port": mails.port}
    settings.MAILERS = {"default": {"BACKEND": "populace.infra.mail.smtp.EmailBackend", "OPTIONS": options}}
    monkeypatch.setattr(smtp, "TRY_S", 0.5)
    monkeypatch.setattr(delivery, "_rests_until", 0.0)
    return mails


def tried(user_id, **age):
    """Have the queue run the welcome mail of a person, enqueued that long ago; returns its row."""
    from populace.infra.tasks.queue import row_for
    from populace.users.tasks import welcome

    row = row_for(welcome, [EVENT, user_id], {}, now() - timedelta(**age))
    row.save(force_insert=True)
    return run_again(row)


def run_again(row):
    from populace.infra.tasks.models import TaskRow
    from populace.infra.tasks.queue import LANES, claim
    from populace.infra.tasks.run import run

    TaskRow.objects.filter(id=row.id).update(due_at=now())
    [claimed] = [due for due in claim(LANES["mail"]) if due.id == row.id]  # another's pause may be over
    run(claimed)
    return TaskRow.objects.get(id=row.id)


def pause_s(row):
    assert (row.state, row.attempts, row.error) == (row.OPEN, 0, "")  # no try counts
    return (row.due_at - now()).total_seconds()


@pytest.mark.django_db
@pytest.mark.parametrize("mode", ["hang", "trickle"])
def test_f32_a_try_ends_in_time_also_where_a_byte_comes_now_and_then(here, make_user, mode):
    """A time-out of each read would never end it. Guard: populace/infra/mail/smtp.py:Bounded._cut."""
    here.mode = mode
    began = time.monotonic()
    row = tried(make_user()["id"])
    assert time.monotonic() - began < 10 * 0.5
    assert pause_s(row) > 0


@pytest.mark.django_db
def test_f32_the_pauses_grow_with_the_mails_age(here, make_user):
    """The row itself waits: no try leaves another. Guards: populace/infra/mail/delivery.py:_next,
    populace/infra/tasks/run.py:run (Again.at), populace/infra/tasks/current.py:enqueued_at.
    """
    from populace.infra.mail import delivery
    from populace.infra.tasks.models import TaskRow

    here.mode = "defer"
    tries = [tried(make_user()["id"], seconds=age) for age in (0, 20, 300, 7200)]
    for row, at_least, at_most in zip(tries, (2, 9, 149, 449), (8, 31, 451, 1351), strict=True):
        assert at_least < pause_s(row) < at_most
    assert delivery.LONGEST_S == 900
    here.mode = "ok"
    assert run_again(tries[3]).state == TaskRow.DONE
    assert [mail.message_id for mail in here.received] == [f"<{EVENT}.welcome@127.0.0.1>"]
    assert TaskRow.objects.count() == 4


@pytest.mark.django_db
def test_f32_a_mail_that_is_good_for_nothing_any_more_is_dropped(here, make_user, monkeypatch):
    """After a try, where the server is not left alone: it may have waited for a worker. Guard: populace/infra/mail/
    delivery.py:_put_off (expired).
    """
    from populace.infra.mail import delivery
    from populace.users.tasks import WELCOME_LIVES

    here.mode = "421"
    user_id = make_user()["id"]
    row = tried(user_id, days=WELCOME_LIVES.days, minutes=-1)
    assert (len(here.tries), pause_s(row) > 0) == (1, True)
    assert tried(user_id, days=WELCOME_LIVES.days, minutes=1).state == row.DONE
    assert len(here.tries) == 1
    monkeypatch.setattr(delivery, "_rests_until", 0.0)  # by then
    assert tried(user_id, days=WELCOME_LIVES.days, minutes=1).state == row.DONE
    assert len(here.tries) == 2


@pytest.mark.django_db
def test_f32_a_failing_server_is_left_alone_and_other_mails_are_put_off_at_once(here, make_user, monkeypatch):
    """Guard: populace/infra/mail/delivery.py:_failed, deliver."""
    from populace.infra.mail import delivery

    here.mode = "hang"
    assert all(pause_s(tried(make_user()["id"])) > 0 for _ in range(5))
    assert len(here.tries) == 1
    monkeypatch.setattr(delivery, "_rests_until", 0.0)  # by then
    here.mode = "ok"
    assert (row := tried(make_user()["id"])).state == row.DONE
    assert len(here.received) == 1
