"""What is refused is in the log, before the answer, and so that nobody can fill the log with it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, connections

from populace.audit.models import Event, Outbox
from populace.users import refusals
from populace.users.refusals import DENIED, EVENTS_MAX, record_refusal
from tests.support.console import page_of

USERS = "/api/v1/users"

pytestmark = pytest.mark.django_db


def denied(subject_id=None):
    """Return the events of refusals, oldest first."""
    found = Event.objects.filter(action=DENIED).order_by("at")
    return list(found.filter(subject_id=subject_id) if subject_id else found)


@pytest.fixture
def viewer(make_user, token, client_of):
    """A client that may read; its `person` is the document."""
    person = make_user()
    client = client_of(token("admin", owner=person["id"], role="viewer"))
    client.person = person
    return client


def test_a_refused_call_is_told_with_who_and_what_but_not_what_was_sent(viewer, make_user):
    path = f"{USERS}/{make_user()['id']}"
    response = viewer.patch(path, {"first_name": "Mallory"}, headers={"X-Request-ID": "r1"})
    assert response.status_code == 403
    (event,) = denied()
    assert (str(event.subject_id), event.actor, event.subject_kind) == (viewer.person["id"], event.subject_id, "user")
    assert event.details["changes"] == {"call": {"old": None, "new": f"PATCH {path}"}}
    assert event.details["address"] == "127.0.0.1"
    assert event.request_id == "r1"
    assert Outbox.objects.filter(event_id=event.id).count() == 1


def test_a_scope_that_the_token_lacks_is_told_too(client_of, token, make_user):
    response = client_of(token("users:read")).delete(f"{USERS}/{make_user()['id']}")
    assert (response.status_code, response.json()["code"], len(denied())) == (403, "scope", 1)


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_get_writes_nothing(client_of, token, method):
    assert getattr(client_of(token("groups:read")), method)(USERS).status_code == 403
    assert denied() == []


def test_other_refusals_and_strangers_write_nothing(client, client_of, make_user):
    path = f"{USERS}/{make_user()['id']}"
    answers = [client.patch(path, {"x": 1}), client.patch(f"{path}0", {}), client_of(None).patch(path, {})]
    assert [answer.status_code for answer in answers] == [400, 404, 401]
    assert denied() == []


def test_the_console_tells_as_well(browser_of, insider):
    """Guard: populace/console/modeladmin.py:verb_view."""
    insider()
    owner = insider()
    for role in ("viewer", "helpdesk"):  # refused by the page, and by the verb
        browser = browser_of(role)
        path = page_of(owner, "deactivate")
        assert browser.post(path).status_code == 403
        (event,) = denied(browser.person["id"])
        assert event.details["changes"]["call"]["new"] == f"POST {path}"


def test_ten_a_minute_are_written_of_each(viewer, client_of, token, make_user, monkeypatch):
    """Guard: populace/users/refusals.py:EVENTS_MAX."""
    path = f"{USERS}/{make_user()['id']}/deactivate"
    for _ in range(EVENTS_MAX + 3):
        assert viewer.post(path).status_code == 403
    assert len(denied()) == EVENTS_MAX
    assert client_of(token("users:read")).post(path).status_code == 403
    assert len(denied()) == EVENTS_MAX + 1
    later = refusals.now() + timedelta(seconds=61)
    monkeypatch.setattr(refusals, "now", lambda: later)
    viewer.post(path)
    assert len(denied(viewer.person["id"])) == EVENTS_MAX + 1


def test_of_an_erased_person_nothing_personal_is_written_any_more(actor):
    record_refusal("POST /x", by=actor)
    assert denied() == []


def test_the_refusal_stands_where_it_cannot_be_written(viewer, make_user, monkeypatch):
    def broken(by):
        raise DatabaseError

    monkeypatch.setattr(refusals, "_written", broken)
    assert viewer.post(f"{USERS}/{make_user()['id']}/deactivate").status_code == 403


@pytest.mark.django_db(transaction=True)
def test_many_at_once_are_no_more_than_ten(make_user, actor):
    """Guard: populace/users/refusals.py:_write, which holds the person's row."""
    by = replace(actor, id=UUID(make_user()["id"]))

    def refuse(number):
        try:
            record_refusal(f"POST /{number}", by=by)
        finally:
            connections.close_all()

    for _ in range(EVENTS_MAX - 1):
        record_refusal("POST /", by=by)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(refuse, range(16)))
    assert len(denied()) == EVENTS_MAX
    assert connection.in_atomic_block is False
