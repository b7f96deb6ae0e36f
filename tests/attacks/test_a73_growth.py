"""A73: whoever piles rows up meets a quota, or what they pile up ends by itself, in steps; and nobody reads it all.

docs/reference/limits.md has the bounds. What is piled up here are thousands: enough that the planner would rather read
an index, and that a step (1,000 rows) is not the whole.
"""

import re
from datetime import timedelta
from itertools import count
from threading import Thread
from uuid import UUID, uuid4

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from populace.api import receipts
from populace.api.models import Receipt
from populace.audit.actors import Actor
from populace.audit.models import Event
from populace.credentials import expiry
from populace.credentials.actions import TOKENS_MAX
from populace.credentials.models import ApiToken
from populace.credentials.tokens import digest
from populace.infra.db.ids import new_id
from populace.infra.tasks import dead, queue
from populace.infra.tasks.chores import CHORES
from populace.infra.tasks.models import TaskRow
from populace.infra.telemetry.metrics import LOGINS_FOLDED
from populace.logins import actions as logins
from populace.logins.models import Session
from populace.logins.sessions import SESSIONS_MAX, SessionStore, digest_of
from tests.support.plans import analyze

pytestmark = pytest.mark.django_db

TOKENS = "/api/v1/tokens"
GROWING = ("credentials_apitoken", "logins_session", "tasks_taskrow", "api_receipt", "audit_event")
STEP = 1000
_numbers = count(1)


def pile_of_tokens(owner, size, **values):
    rows = [
        ApiToken(digest=digest(f"t{next(_numbers)}"), user_id=owner, name="t", scopes="users:read", created_at=now())
        for _ in range(size)
    ]
    for row in rows:
        for name, value in values.items():
            setattr(row, name, value)
    ApiToken._base_manager.bulk_create(rows)


def pile_of_sessions(owner, size, ends):
    Session._base_manager.bulk_create(
        Session(digest=digest_of(f"s{next(_numbers)}"), user_id=owner, data="", expires_at=ends) for _ in range(size)
    )


def pile_of_letters(size, state, due_at):
    TaskRow.objects.bulk_create(
        TaskRow(name="x", lane=1, state=state, due_at=due_at, enqueued_at=due_at) for _ in range(size)
    )


def scanned(work):
    """Return which of the tables that grow the statements of `work` read from end to end, by the engine's own plans."""
    with CaptureQueriesContext(connection) as seen:
        work()
    found = set()
    for query in seen:
        if query["sql"].split(None, 1)[0].upper() not in ("SELECT", "DELETE", "UPDATE"):
            continue
        with connection.cursor() as cursor:
            explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
            cursor.execute(f"{explain} {query['sql']}")
            rows = cursor.fetchall()
        if connection.vendor == "mysql":
            found |= {row[2] for row in rows if row[3] == "ALL"}
        else:
            found |= set(re.findall(r"(?:SCAN|Seq Scan on) (\w+)", "\n".join(map(str, rows))))
    return {table for table in found if table.startswith(GROWING)}


# Tokens


def test_a73_tokens_of_one_owner_have_a_quota(client, make_user):
    """Ended ones count: else one who makes and revokes would have no bound. Guard: populace/credentials/actions.py:
    _hold_owner.
    """
    owner = make_user()["id"]
    pile_of_tokens(UUID(owner), TOKENS_MAX - 3)
    pile_of_tokens(UUID(owner), 1, revoked_at=now())
    pile_of_tokens(UUID(owner), 1, expires_at=now())
    body = {"name": "t", "scopes": ["users:read"], "owner": owner}
    last = client.post(TOKENS, body)
    assert last.status_code == 201
    for response in (client.post(TOKENS, body), client.post(f"{TOKENS}/{last.json()['id']}/rotate", {})):
        assert (response.status_code, response.json()["code"]) == (409, "quota")
    assert ApiToken.objects.filter(user_id=owner).count() == TOKENS_MAX
    assert client.post(TOKENS, body | {"owner": make_user()["id"]}).status_code == 201  # everybody has their own
    ApiToken._base_manager.filter(user_id=owner, expires_at__lt=now()).delete()  # as the worker does after some days
    assert client.post(TOKENS, body).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_a73_many_tokens_at_once_do_not_get_past_the_quota(client_of, token, make_user):
    """Guard: populace/credentials/actions.py:_hold_owner (the owner's lock comes before the count)."""
    owner = make_user()["id"]
    pile_of_tokens(UUID(owner), TOKENS_MAX - 2)
    secret, answers = token(), []

    def make():
        answers.append(client_of(secret).post(TOKENS, {"name": "t", "scopes": ["users:read"], "owner": owner}))
        connections.close_all()

    threads = [Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [201] * 2 + [409] * 4


def test_a73_ended_tokens_go_in_steps(make_user):
    """Guard: populace/credentials/expiry.py:delete_ended."""
    owner = UUID(make_user()["id"])
    over = now() - expiry.KEPT
    pile_of_tokens(owner, STEP + 1, revoked_at=over)
    pile_of_tokens(owner, 2, expires_at=over)
    pile_of_tokens(owner, 1, expires_at=over + timedelta(minutes=1))
    pile_of_tokens(owner, 1)
    assert expiry.delete_ended in CHORES
    left = []
    assert [(expiry.delete_ended(), left.append(ApiToken.objects.count()))[0] for _ in range(2)] == [True, False]
    assert left == [3, 2]


# Sessions


def sign_in(user_id):
    store = SessionStore()
    store.create()
    store["_auth_user_id"] = user_id
    store.save()
    return store


def test_a73_sessions_of_one_person_have_a_quota_and_the_oldest_ends(make_user):
    """Guard: populace/logins/sessions.py:SessionStore._end_oldest."""
    person, other = make_user()["id"], make_user()["id"]
    pile_of_sessions(UUID(other), SESSIONS_MAX, now() + timedelta(hours=1))
    stores = [sign_in(person) for _ in range(SESSIONS_MAX + 2)]
    assert Session.objects.filter(user_id=person).count() == SESSIONS_MAX
    there = [bool(SessionStore(store.session_key).load()) for store in stores]
    assert there == [False] * 2 + [True] * SESSIONS_MAX
    assert Session.objects.filter(user_id=other).count() == SESSIONS_MAX


def test_a73_no_sign_in_pays_for_what_others_left_behind(make_user, actor):
    """Guard: populace/logins/actions.py:signed_in (it deletes nothing), delete_expired."""
    person = UUID(make_user()["id"])
    pile_of_sessions(person, STEP + 1, now() - timedelta(seconds=1))
    logins.signed_in(person, by=actor)
    assert Session.objects.count() == STEP + 1
    assert logins.delete_expired in CHORES
    assert [logins.delete_expired(), Session.objects.count(), logins.delete_expired()] == [True, 1, False]
    assert not Session.objects.exists()


# Refused sign-ins


def at(address):
    return Actor(id=logins.at_address(address), request_id="x", address=address, user_agent="x")


def failures():
    return Event.objects.filter(action=logins.FAILED).count()


def test_a73_refused_sign_ins_about_one_person_are_folded(make_user):
    """From however many addresses. Guard: populace/logins/actions.py:login_failed (FAILURES_MAX)."""
    person, folded = UUID(make_user()["id"]), LOGINS_FOLDED._value.get()
    for number in range(logins.FAILURES_MAX + 5):
        logins.login_failed(person, by=at(f"192.0.2.{number}"))
    assert (failures(), LOGINS_FOLDED._value.get() - folded) == (logins.FAILURES_MAX, 5)
    logins.login_failed(UUID(make_user()["id"]), by=at("192.0.2.1"))  # about somebody else
    assert failures() == logins.FAILURES_MAX + 1


def test_a73_refused_sign_ins_from_one_address_are_folded(make_user):
    """About however many people. Guard: populace/logins/actions.py:login_failed (SOURCE_MAX)."""
    for _ in range(logins.SOURCE_MAX + 5):
        logins.login_failed(uuid4(), by=at("192.0.2.1"))
    assert failures() == logins.SOURCE_MAX
    logins.login_failed(uuid4(), by=at("192.0.2.2"))
    assert failures() == logins.SOURCE_MAX + 1


def test_a73_a_minute_later_they_are_written_again(monkeypatch):
    """Guard: populace/logins/actions.py:_failures."""
    for _ in range(logins.FAILURES_MAX + 1):
        logins.login_failed(None, by=at("192.0.2.1"))
    assert failures() == logins.FAILURES_MAX
    later = now() + logins.PER
    monkeypatch.setattr(logins, "now", lambda: later)
    logins.login_failed(None, by=at("192.0.2.1"))
    assert failures() == logins.FAILURES_MAX + 1


# Tasks and receipts


def test_a73_dead_letters_and_done_tasks_go_in_steps():
    """Guard: populace/infra/tasks/dead.py:delete_dead, populace/infra/tasks/queue.py:delete_done."""
    over = now() - timedelta(days=dead.DEAD_DAYS)
    pile_of_letters(STEP + 1, TaskRow.DEAD, over)
    pile_of_letters(1, TaskRow.DEAD, over + timedelta(hours=1))
    pile_of_letters(STEP + 1, TaskRow.DONE, now())
    assert {dead.delete_dead, queue.delete_done} <= set(CHORES)
    assert [dead.delete_dead(), dead.delete_dead(), queue.delete_done(), queue.delete_done()] == [
        True,
        False,
        True,
        False,
    ]
    assert TaskRow.objects.count() == 1


def test_a73_idempotency_keys_go_in_steps():
    """Guard: populace/api/receipts.py:delete_expired."""
    user_id, old = uuid4(), now() - receipts.KEPT
    fields = {"user_id": user_id, "fingerprint": user_id, "subject_id": user_id, "status": 200, "created_at": old}
    Receipt._base_manager.bulk_create(Receipt(key=UUID(int=number), **fields) for number in range(STEP + 1))
    assert receipts.delete_expired in CHORES
    assert [receipts.delete_expired(), receipts.delete_expired()] == [True, False]


# And nothing of it is read from end to end


def test_a73_no_statement_reads_a_whole_table_however_much_is_piled_up(make_user, actor, client):
    """Guards: the indexes of populace/credentials/models.py, populace/logins/models.py, populace/infra/tasks/models.py,
    populace/audit/models.py.
    """
    person = UUID(make_user()["id"])
    for number in range(3):
        pile_of_tokens(person, 1500)
        for _ in range(150):
            pile_of_sessions(uuid4(), 10, now() + timedelta(hours=1 + number))
        pile_of_letters(1500, (TaskRow.DEAD, TaskRow.DONE, TaskRow.OPEN)[number], now() + timedelta(hours=1))
    Receipt._base_manager.bulk_create(
        Receipt(user_id=uuid4(), key=uuid4(), fingerprint=person, subject_id=person, status=200, created_at=now())
        for _ in range(3000)
    )
    Event._base_manager.bulk_create(
        Event(subject_id=uuid4(), subject_kind="user", action=logins.FAILED, actor=uuid4(), at=now(), id=new_id())
        for _ in range(3000)
    )
    owner = make_user()["id"]
    analyze(connection)
    body = {"name": "t", "scopes": ["users:read"], "owner": owner}
    for work in (
        lambda: client.post(TOKENS, body, headers={"Idempotency-Key": "k"}),
        lambda: sign_in(str(owner)),
        lambda: logins.signed_in(person, by=actor),
        lambda: logins.login_failed(person, by=at("192.0.2.1")),
        lambda: expiry.delete_ended(),
        lambda: logins.delete_expired(),
        lambda: dead.delete_dead(),
        lambda: queue.delete_done(),
        lambda: receipts.delete_expired(),
    ):
        assert scanned(work) == set()
