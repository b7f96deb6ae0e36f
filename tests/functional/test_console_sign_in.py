"""Who gets into the console, by which door, and for how long."""

import json
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now, timedelta

from populace.audit.actors import SYSTEM
from populace.audit.models import Event, Outbox
from populace.credentials import hashing
from populace.credentials.actions import set_password
from populace.credentials.hashing import HashingBusy, hash_password
from populace.groups.models import RoleAssignment
from populace.logins.backends import nobodys_hash
from populace.logins.models import Session
from populace.logins.sessions import digest_of
from populace.users.actions import activate_user, deactivate_user, erase_user
from populace.users.errors import LastOwner
from populace.users.models import User
from tests.support.console import (
    EVENTS,
    LOGIN,
    PASSWORD,
    PEOPLE,
    actions_about,
    sign_in,
)

pytestmark = pytest.mark.django_db


def test_the_root_leads_to_the_sign_in():
    response = Client().get("/", follow=True)
    assert response.redirect_chain == [(LOGIN, 302)]
    assert "E-mail or user name" in response.text


@pytest.mark.parametrize("path", ["/console/", "/console", PEOPLE, EVENTS, "/console/nothing/"])
def test_whoever_is_not_signed_in_is_sent_to_the_sign_in(path):
    response = Client().get(path, follow=True)
    assert response.redirect_chain[-1][0].startswith(LOGIN)


@pytest.mark.parametrize("name", ["Ada@Example.ORG", "ADA", "ada", " ada "])
def test_e_mail_or_user_name_opens_the_console_in_any_spelling(insider, name):
    insider(username="ada", email="ada@example.org")
    client = Client()
    assert sign_in(client, name).status_code == 302
    assert client.get(PEOPLE).status_code == 200


def test_admin_is_a_free_user_name(insider):
    insider(username="admin")
    assert sign_in(Client(), "admin").headers["Location"] == "/console/"


def test_a_sign_in_is_an_event_and_notes_its_time_once_an_hour(browser_of):
    browser = browser_of()
    key = UUID(browser.person["id"])
    first = User.objects.get(pk=key)
    assert now() - first.last_sign_in_at < timedelta(minutes=1)
    assert first.version == browser.person["version"]
    sign_in(Client(), browser.person["username"])
    assert User.objects.get(pk=key).last_sign_in_at == first.last_sign_in_at
    assert actions_about(key) == ["user.created", "auth.signed_in", "auth.signed_in"]
    event = Event.objects.filter(subject_id=key, action="auth.signed_in").first()
    assert (event.actor, event.details["address"]) == (key, "127.0.0.1")
    assert Outbox.objects.filter(subject_id=key, action="auth.signed_in").count() == 2


def refused(name, password=PASSWORD):
    """Try to sign in, see it refused as all are, and return the event."""
    before = set(Event.objects.values_list("id", flat=True))
    client = Client()
    response = sign_in(client, name, password, **{"User-Agent": "Lynx"})
    assert response.status_code == 200
    assert "No console opens with this" in response.text
    assert client.get(PEOPLE).status_code == 302
    assert Session.objects.count() == 0
    (event,) = Event.objects.exclude(id__in=before)
    assert event.action == "auth.login_failed"
    assert event.details == {"changes": {}, "address": "127.0.0.1", "user_agent": "Lynx"}
    return event


def test_a_wrong_password_is_an_event_about_the_person(insider):
    person = insider()
    event = refused(person["username"], "something else entirely")
    assert (event.subject_kind, str(event.subject_id)) == ("user", person["id"])


def test_an_unknown_name_is_an_event_about_the_address_without_the_name():
    """People type their password into the name's field. Guard: populace/logins/actions.py:login_failed."""
    event = refused("hunter2 hunter2")
    assert event.subject_kind == "address"
    assert event.actor == event.subject_id
    assert "hunter2" not in json.dumps(event.details)


@pytest.mark.parametrize("values", [{"is_active": False}, {"kind": "service"}], ids=str)
def test_who_is_not_an_active_person_stays_outside(insider, values):
    refused(insider(**values)["username"])


def test_who_has_no_role_stays_outside(insider):
    """Guard: populace/console/rights.py:may_open_console."""
    refused(insider(None)["username"])


def test_who_has_no_password_stays_outside(make_user):
    refused(make_user()["username"], "!")


def test_nobody_takes_as_long_as_somebody(insider, monkeypatch):
    """Guard: populace/logins/backends.py:attempt."""
    person, hashed = insider(), []
    in_slot = hashing._in_slot
    monkeypatch.setattr(hashing, "_in_slot", lambda work: hashed.append(1) or in_slot(work))
    spent = []
    for name in (person["username"], "nobody", "nobody@example.org", "\x00", "n" * 200):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            sign_in(Client(), name, "something else entirely")
        spent.append((len(asked), len(hashed)))
        hashed.clear()
    assert spent[0][1] == spent[1][1] == spent[2][1] == 1
    assert spent[0][0] == spent[1][0] == spent[2][0]
    assert hashing.is_known_hash(nobodys_hash())


def test_a_busy_machine_says_so_in_a_page(insider, monkeypatch):
    def busy(raw, encoded):
        raise HashingBusy

    monkeypatch.setattr("populace.logins.backends.verify_password", busy)
    response = sign_in(Client(), insider()["username"])
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    assert "Overloaded" in response.text
    assert Session.objects.count() == 0


def test_a_form_from_elsewhere_is_refused(insider):
    client = Client(enforce_csrf_checks=True)
    person = insider()
    assert sign_in(client, person["username"]).status_code == 403
    client.get(LOGIN)
    token = client.cookies["populace_csrf"].value
    answer = client.post(
        LOGIN,
        {"username": person["username"], "password": PASSWORD, "csrfmiddlewaretoken": token},
        headers={"Origin": "https://elsewhere.example"},
    )
    assert answer.status_code == 403
    assert Session.objects.count() == 0


@pytest.mark.parametrize("to", ["https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)"])
def test_nobody_is_led_elsewhere(insider, to):
    client, person = Client(), insider()
    answer = client.post(LOGIN, {"username": person["username"], "password": PASSWORD, "next": to})
    assert answer.headers["Location"] == "/console/"


def test_a_session_is_stored_under_the_digest_of_its_key(browser_of):
    browser = browser_of()
    cookie = browser.cookies["populace_session"]
    row = Session.objects.get()
    assert row.digest == digest_of(cookie.value)
    assert str(row.user_id) == browser.person["id"]
    assert cookie.value not in json.dumps([row.digest, row.data])
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")


def test_a_sign_in_has_a_key_of_its_own(insider):
    """A planted key is worth nothing. Guard: populace/logins/sessions.py:SessionStore.create."""
    client, person = Client(), insider()
    client.cookies["populace_session"] = "planted" * 5
    sign_in(client, person["username"])
    first = client.cookies["populace_session"].value
    assert first != "planted" * 5
    sign_in(client, person["username"])
    assert digest_of(client.cookies["populace_session"].value) in Session.objects.values_list("digest", flat=True)


def test_visitors_leave_no_session():
    client = Client()
    client.get(LOGIN)
    assert Session.objects.count() == 0
    assert "populace_session" not in client.cookies


def test_a_session_ends_twelve_hours_after_its_sign_in_however_much_it_is_used(browser_of):
    browser = browser_of()
    left = Session.objects.get().expires_at - now()
    assert timedelta(hours=11, minutes=59) < left <= timedelta(hours=12)
    ends = Session.objects.get().expires_at
    assert browser.get(PEOPLE).status_code == 200
    assert Session.objects.get().expires_at == ends
    Session._base_manager.update(expires_at=now())
    assert browser.get(PEOPLE).status_code == 302


def test_signing_out_ends_the_session(browser_of):
    browser = browser_of()
    key = browser.cookies["populace_session"].value
    assert browser.get("/console/logout/").status_code == 405
    browser.post("/console/logout/")
    assert Session.objects.count() == 0
    browser.cookies["populace_session"] = key
    assert browser.get(PEOPLE).status_code == 302


def test_signing_out_is_an_event_of_its_transaction(browser_of):
    """Guard: populace/console/site.py:ConsoleSite.logout."""
    browser = browser_of()
    key = UUID(browser.person["id"])
    browser.get("/console/logout/")
    assert actions_about(key) == ["user.created", "auth.signed_in"]
    browser.post("/console/logout/")
    browser.post("/console/logout/")
    assert actions_about(key) == ["user.created", "auth.signed_in", "auth.signed_out"]
    event = Event.objects.get(subject_id=key, action="auth.signed_out")
    assert (event.actor, event.details["address"]) == (key, "127.0.0.1")
    assert Outbox.objects.filter(subject_id=key, action="auth.signed_out").count() == 1


def test_whoever_comes_back_signs_in_anew(browser_of, insider):
    """Guard: populace/logins/actions.py:sessions_end_with."""
    insider()  # another owner
    browser, other = browser_of(), browser_of()
    deactivate_user(UUID(browser.person["id"]), by=SYSTEM)
    assert [str(row.user_id) for row in Session.objects.all()] == [other.person["id"]]
    activate_user(UUID(browser.person["id"]), by=SYSTEM)
    assert browser.get(PEOPLE).status_code == 302
    assert other.get(PEOPLE).status_code == 200


def test_a_refused_deactivation_ends_no_session(browser_of):
    """Guard: populace/logins/actions.py:sessions_end_with, which is in the transaction of the change."""
    browser = browser_of()
    with pytest.raises(LastOwner):
        deactivate_user(UUID(browser.person["id"]), by=SYSTEM)
    assert browser.get(PEOPLE).status_code == 200


def test_whoever_is_shut_out_while_signing_in_has_no_session(insider, monkeypatch):
    """Guard: populace/logins/sessions.py:SessionStore._insert."""
    insider()  # another owner
    person, client = insider(), Client()

    def shut_out(key, *, by):
        deactivate_user(key, by=SYSTEM)

    monkeypatch.setattr("populace.console.site.signed_in", shut_out)
    sign_in(client, person["username"])
    activate_user(UUID(person["id"]), by=SYSTEM)
    assert Session.objects.count() == 0
    assert client.get(PEOPLE).status_code == 302


def deactivated(person, actor):
    deactivate_user(UUID(person["id"]), by=actor)


def erased(person, actor):
    erase_user(UUID(person["id"]), by=actor)


def with_a_new_password(person, actor):
    set_password(UUID(person["id"]), password_hash=hash_password("another horse battery"), by=actor)


def without_a_role(person, actor):
    RoleAssignment._base_manager.filter(user_id=person["id"]).delete()


@pytest.mark.parametrize("change", [deactivated, erased, with_a_new_password, without_a_role], ids=lambda f: f.__name__)
def test_whoever_may_not_any_more_is_out_at_the_next_request(browser_of, insider, change):
    insider()  # another owner
    browser = browser_of()
    assert browser.get(PEOPLE).status_code == 200
    change(browser.person, SYSTEM)
    assert browser.get(PEOPLE, follow=True).redirect_chain[-1][0].startswith(LOGIN)
    assert Session.objects.count() == 0
