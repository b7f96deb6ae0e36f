"""What happens when two change the same person at once; real threads with connections of their own."""

import json
import threading
from uuid import UUID

import pytest
from django.db import connection, connections

from populace.audit.actors import SYSTEM
from populace.audit.models import Event
from populace.credentials.actions import create_token, revoke_token
from populace.users import erasure
from populace.users.actions import deactivate_user, erase_user, update_user
from populace.users.errors import UserNotFound, VersionMismatch
from populace.users.models import User
from populace.users.races import TRIES, on_row

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


@pytest.mark.only_on("postgresql", "SQLite has one writer at a time")
@pytest.mark.parametrize("verb", ["erase", "token"])
def test_erasing_and_making_a_token_take_turns(make_user, actor, verb):
    """populace/users/actions.py:erase_user and populace/credentials/actions.py:create_token lock the person's row."""
    id = UUID(make_user()["id"])
    outcome = []

    def act():
        try:
            if verb == "erase":
                erase_user(id, by=SYSTEM)
            else:
                create_token(owner_id=id, name="late", scopes=["users:read"], by=SYSTEM)
            outcome.append("done")
        except UserNotFound:
            outcome.append("nobody there")

    from django.db import transaction

    with transaction.atomic():
        User._base_manager.select_for_update().get(pk=id)
        thread = elsewhere(act)
        thread.join(0.4)
        assert outcome == []  # it waits for the row before it writes anything
        assert not Event.objects.filter(subject_id=id, action__in=["user.erased", "token.created"]).exists()
        User._base_manager.filter(pk=id).delete() if verb == "token" else None
    thread.join()
    assert outcome == ["done" if verb == "erase" else "nobody there"]
