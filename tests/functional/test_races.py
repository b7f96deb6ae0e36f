"""What happens when two change the same person at once; real threads with connections of their own."""

import json
import threading
from uuid import UUID

import pytest
from django.db import connection, connections, transaction

from populace.audit.actors import SYSTEM
from populace.audit.models import Event
from populace.credentials.actions import create_token, revoke_token
from populace.credentials.models import ApiToken
from populace.users import api, erasure
from populace.users.actions import deactivate_user, erase_user, update_user
from populace.users.errors import UserNotFound, VersionMismatch
from populace.users.models import User
from populace.users.races import TRIES, on_row
from tests.support.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def elsewhere(work):
    """Run `work` in a thread and return it; its connection is closed at the end."""

    def run():
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_change_without_a_version_is_never_lost_however_many_are_made(make_user, actor):
    """populace/users/races.py:on_row, the last try under a lock."""
    id, count = UUID(make_user()["id"]), 12
    failed = []

    def change(number):
        try:
            update_user(id, by=SYSTEM, values={"attributes": {f"a{number}": number}})
        except VersionMismatch as error:
            failed.append(error)

    threads = [elsewhere(lambda n=n: change(n)) for n in range(count)]
    for thread in threads:
        thread.join()
    assert failed == []
    person = User.objects.get(pk=id)
    assert person.attributes == {f"a{n}": n for n in range(count)}
    assert person.version == 1 + count


def test_the_last_try_holds_the_row(make_user, actor):
    """populace/users/races.py:on_row"""
    from populace.infra.db.write import Stale

    id, seen = UUID(make_user()["id"]), []

    def attempt(user):
        seen.append(connection.in_atomic_block)
        if len(seen) <= TRIES:
            raise Stale
        return user.pk

    assert on_row(id, attempt, expected=None) == id
    assert seen == [False] * TRIES + [True]


def test_a_stale_version_on_a_verb_changes_nothing(make_user, client):
    """populace/users/api.py:UserVerb.post and UserPassword.post pass the version on to the verb."""
    person = make_user()
    update_user(UUID(person["id"]), by=SYSTEM, values={"first_name": "Ada"})
    for path, body in (("deactivate", ""), ("password", {"password": "correct horse battery"})):
        reply = client.post(f"/api/v1/users/{person['id']}/{path}", body, headers={"If-Match": '"1.00000000"'})
        assert reply.status_code == 412
    with pytest.raises(VersionMismatch):
        deactivate_user(UUID(person["id"]), by=SYSTEM, expected=1)
    assert json.loads(client.get(f"/api/v1/users/{person['id']}").content)["version"] == 2


@pytest.mark.parametrize(
    ("method", "verb", "body"),
    [
        ("post", "/deactivate", ""),
        ("post", "/activate", ""),
        ("post", "/password", {"password": "correct horse battery"}),
        ("patch", "", {"first_name": "Ann"}),
        ("delete", "", ""),
    ],
)
def test_a_change_after_the_look_at_if_match_is_noticed(make_user, client, actor, monkeypatch, method, verb, body):
    """A36. Guard: populace/users/api.py: UserVerb.post, UserPassword.post, UserView.patch, UserView.delete.

    Each passes the version on to its verb.
    """
    person, look = make_user(is_active=verb != "/activate"), api._expected

    def look_then_somebody_changes(request, key):
        version = look(request, key)
        update_user(key, by=SYSTEM, values={"last_name": "Lovelace"})
        return version

    monkeypatch.setattr(api, "_expected", look_then_somebody_changes)
    path = f"/api/v1/users/{person['id']}{verb}"
    reply = getattr(client, method)(path, body, headers={"If-Match": '"1.00000000"'})
    assert (reply.status_code, reply.json()["code"]) == (412, "precondition_failed")
    after = User.objects.get(pk=person["id"])
    assert (after.version, after.first_name, after.is_active) == (2, "", person["is_active"])


@pytest.mark.only_on("postgresql", "SQLite has one writer at a time")
def test_a_token_revoked_during_an_erasure_leaves_no_personal_value(make_user, actor, monkeypatch):
    """populace/users/actions.py:erase_user blanks the events last."""
    id = UUID(make_user()["id"])
    token, _ = create_token(owner_id=id, name="Anna's laptop", scopes=["users:read"], by=SYSTEM)
    first = next(iter(erasure.ERASED))
    original = erasure.ERASED[first]

    def erase(user_id):
        original(user_id)
        elsewhere(lambda: revoke_token(token.id, by=SYSTEM)).join()

    monkeypatch.setitem(erasure.ERASED, first, erase)
    erase_user(id, by=SYSTEM)
    details = Event.objects.filter(subject_id=id).exclude(action="user.erased").values_list("details", flat=True)
    assert set(details) == {None}


def waiting():
    """Tell how many locks somebody waits for."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0]


@pytest.mark.only_on("postgresql", "SQLite has one writer at a time")
def test_a_token_made_while_its_owner_is_erased_goes_with_them(make_user, actor):
    """populace/users/actions.py:erase_user locks the person's row before it looks for what to erase."""
    id = UUID(make_user()["id"])
    with transaction.atomic():
        create_token(owner_id=id, name="late", scopes=["users:read"], by=SYSTEM)
        thread = elsewhere(lambda: erase_user(id, by=SYSTEM))
        wait_until(waiting, "the erasure waits for the row")
    thread.join()
    assert not User.objects.filter(pk=id).exists()
    assert not ApiToken.objects.filter(user_id=id).exists()
    assert not Event.objects.filter(subject_id=id, details__changes__has_key="token").exists()


@pytest.mark.only_on("postgresql", "SQLite has one writer at a time")
def test_nobody_makes_a_token_for_somebody_who_is_being_erased(make_user, actor):
    """populace/credentials/actions.py:create_token locks the person's row before it writes the token."""
    id, outcome = UUID(make_user()["id"]), []

    def make_token():
        try:
            outcome.append(create_token(owner_id=id, name="late", scopes=["users:read"], by=SYSTEM))
        except UserNotFound:
            outcome.append("nobody there")

    with transaction.atomic():
        erase_user(id, by=SYSTEM)
        thread = elsewhere(make_token)
        wait_until(lambda: outcome or waiting(), "the token is made, or waits for the row")
    thread.join()
    assert outcome == ["nobody there"]
    assert not ApiToken.objects.filter(user_id=id).exists()
