"""A call sent twice with one Idempotency-Key takes effect once; docs/reference/api-conventions.md says how."""

import io
import json
from contextlib import nullcontext
from datetime import timedelta
from threading import Thread
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from populace.api import idempotency, inflight, receipts
from populace.api.models import Receipt
from populace.api.receipts import DELETE_ROWS, delete_expired
from populace.audit.models import Event
from populace.users.actions import erase_user
from tests.support.endpoints import answers, views

pytestmark = pytest.mark.django_db(transaction=True)

USERS, GROUPS, TOKENS = "/api/v1/users", "/api/v1/groups", "/api/v1/tokens"
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


@pytest.fixture
def send(client):
    """Return `send(method, path, body=None, key=…) -> response`, as an administrator."""

    def sent(method, path, body=None, *, key="k", **headers):
        data = b"" if body is None else json.dumps(body)
        headers = {name.replace("_", "-"): value for name, value in headers.items()} | {"Idempotency-Key": key}
        return client.generic(method, path, data, content_type="application/json", headers=headers)

    return sent


@pytest.fixture
def places(client, make_user, send):
    """What the paths name: a person, a group with a member, a token."""
    person = make_user()["id"]
    group = send("POST", GROUPS, {"name": "Staff"}, key="group").json()["id"]
    token = send("POST", TOKENS, {"name": "t", "scopes": ["users:read"]}, key="token").json()["id"]
    form = encode_multipart(BOUNDARY, {"file": SimpleUploadedFile("people.csv", b"email\n")})
    job = client.post("/api/v1/imports", form, content_type=MULTIPART_CONTENT).json()["id"]
    return {"user": person, "group": group, "token": token, "other": make_user()["id"], "job": job}


CALLS = {
    ("POST", "/api/v1/users"): {"username": "new", "attributes": {"a": [1, {"b": None}]}},
    ("POST", "/api/v1/users/batch"): {"users": [{"username": "new"}, {"email": "new@example.com", "locale": "de"}]},
    ("PATCH", "/api/v1/users/{user}"): {"first_name": "Zoë"},
    ("DELETE", "/api/v1/users/{user}"): None,
    ("POST", "/api/v1/users/{user}/deactivate"): None,
    ("POST", "/api/v1/users/{user}/activate"): {},  # it is so already
    ("POST", "/api/v1/users/{user}/password"): {"password": "correct horse battery"},
    ("POST", "/api/v1/users/{user}/roles"): {"add": ["viewer"]},
    ("PUT", "/api/v1/attribute-schema"): {"type": "object", "properties": {"a": {"type": "string"}}},
    ("POST", "/api/v1/groups"): {"name": "New", "roles": ["viewer"]},
    ("PATCH", "/api/v1/groups/{group}"): {"description": "all of us"},
    ("DELETE", "/api/v1/groups/{group}"): None,
    ("POST", "/api/v1/groups/{group}/members"): {"add": ["{user}", "{other}"]},
    ("POST", "/api/v1/tokens"): {"name": "new", "scopes": ["users:read"]},
    ("DELETE", "/api/v1/tokens/{token}"): None,
    ("POST", "/api/v1/tokens/{token}/rotate"): {"overlap": 60},
    ("POST", "/api/v1/jobs/{job}/cancel"): None,
    ("POST", "/api/v1/exports"): {"format": "csv"},
    ("POST", "/api/v1/bulk-actions"): {"action": "deactivate", "ids": ["{other}"]},
}
ELSEWHERE = {("POST", "/api/v1/imports"), ("POST", "/api/v1/jobs/{job}/undo")}
"""A call whose body is a form, and one that needs a job that is over: test_imports_api.py, test_undo.py."""


def filled(text, places):
    for name, value in places.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def test_every_call_that_changes_something_is_here():
    """populace/api/views.py:LeanView.keyed"""
    kinds = {"users": "user", "groups": "group", "tokens": "token", "jobs": "job"}
    known = {
        (method, path.replace("{id}", f"{{{kinds.get(path.split('/')[3], '')}}}"))
        for path, view in views()
        for method in UNSAFE
        if answers(view, method) and method in view.keyed
    }
    assert known == set(CALLS) | ELSEWHERE


@pytest.mark.parametrize(("method", "path"), CALLS, ids=lambda text: text.removeprefix("/api/v1"))
def test_the_second_answer_is_the_first(send, places, method, path):
    """populace/api/idempotency.py:once, populace/infra/db/write.py:write"""
    body = CALLS[method, path]
    body = body if body is None else json.loads(filled(json.dumps(body), places))
    first = send(method, filled(path, places), body)
    assert first.status_code in (200, 201, 202, 204), first.content
    events = Event.objects.count()
    second = send(method, filled(path, places), body)
    assert second.status_code == first.status_code
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.headers.get("ETag") == first.headers.get("ETag")
    assert second.headers.get("Location") == first.headers.get("Location")
    if first.content and first.json().get("secret"):
        assert second.json() == first.json() | {"secret": None}
    else:
        assert second.content == first.content
    assert Event.objects.count() == events


@pytest.mark.parametrize(("method", "path"), CALLS, ids=lambda text: text.removeprefix("/api/v1"))
def test_of_two_machines_calls_at_once_one_counts(send, places, monkeypatch, method, path):
    """populace/api/idempotency.py:_first: what the second stumbles over, the first has made."""
    body = CALLS[method, path]
    body = body if body is None else json.loads(filled(json.dumps(body), places))
    firsts, events = [], []

    def stored(*key):
        """Look, and while the second has seen nothing yet, let the other machine do the whole call."""
        kept = receipts.stored(*key)
        if not firsts:
            firsts.append(None)
            firsts.append(send(method, filled(path, places), body))
            events.append(Event.objects.count())
        return kept

    monkeypatch.setattr(idempotency, "alone", lambda place: nullcontext())  # other machines' locks are not seen
    monkeypatch.setattr(idempotency, "stored", stored)
    second = send(method, filled(path, places), body)
    first = firsts[1]
    assert second.status_code == first.status_code, second.content
    assert second.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    if first.content:
        secret = {"secret": None} if "secret" in first.json() else {}
        assert second.json() == first.json() | secret
    assert [Event.objects.count()] == events


def test_a_key_is_good_for_one_call(send, make_user):
    """populace/api/idempotency.py:_repeated"""
    person = make_user()["id"]
    assert send("POST", USERS, {"username": "one"}).status_code == 201
    for method, path, body in (
        ("POST", USERS, {"username": "two"}),
        ("POST", GROUPS, {"username": "one"}),
        ("PATCH", f"{USERS}/{person}", {"username": "one"}),
    ):
        response = send(method, path, body)
        assert (response.status_code, response.json()["code"]) == (422, "idempotency_mismatch")
    assert send("POST", f"{USERS}/", {"username": "one"}).status_code == 201  # the same path


def test_a_key_is_its_callers_own(send, client_of, token):
    """populace/api/idempotency.py:call_of"""
    headers = {"Idempotency-Key": "k"}
    assert send("POST", USERS, {"username": "one"}).status_code == 201
    response = client_of(token()).post(USERS, {"username": "two"}, headers=headers)
    assert response.status_code == 201
    assert "Idempotency-Replayed" not in response.headers


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "ümlaut", "\x7f"])
def test_what_is_no_key(send, key):
    """populace/api/idempotency.py:call_of"""
    response = send("POST", USERS, {"username": "one"}, key=key)
    assert (response.status_code, response.json()["code"]) == (400, "malformed")
    assert send("POST", USERS, {"username": "one"}, key="~ " * 127 + "~").status_code == 201


def test_a_failure_is_not_kept(send, make_user, actor):
    person = make_user(username="taken")
    assert send("POST", USERS, {"username": "taken"}).json()["code"] == "username_taken"
    assert send("POST", USERS, {"first_name": "nobody"}).json()["code"] == "invalid"
    assert not Receipt.objects.exists()
    erase_user(UUID(person["id"]), by=actor)
    assert send("POST", USERS, {"username": "taken"}).status_code == 201


def test_an_effect_that_is_undone_takes_its_receipt_along(client_of, token, make_user):
    """The receipt is in the effect's transaction: populace/infra/db/write.py:write."""
    owner = make_user()["id"]
    only = client_of(token(owner=owner))
    path, headers = f"{USERS}/{owner}/deactivate", {"Idempotency-Key": "k"}
    # That nobody would be left is found out at the end, after everything was written.
    assert only.post(path, headers=headers).json()["code"] == "last_owner"
    assert not Receipt.objects.exists()
    token()  # somebody else
    response = only.post(path, headers=headers)
    assert (response.status_code, response.json()["is_active"]) == (200, False)


def test_the_answer_is_of_what_there_is_now(send, client):
    """populace/api/views.py:LeanView.repeat"""
    first = send("POST", USERS, {"username": "one"})
    path = first.headers["Location"]
    changed = client.patch(path, {"first_name": "Zoë"})
    second = send("POST", USERS, {"username": "one"})
    assert (second.status_code, second.content) == (201, changed.content)
    assert second.headers["ETag"] == changed.headers["ETag"]
    client.delete(path)
    third = send("POST", USERS, {"username": "one"})
    assert (third.status_code, third.json()["code"]) == (404, "not_found")
    assert third.headers["Idempotency-Replayed"] == "true"


def test_what_came_and_went_is_told_again_though_it_was_taken_back(send, places, client):
    """populace/groups/actions.py:change_members"""
    path, people = f"{GROUPS}/{places['group']}/members", [places["user"]]
    first = send("POST", path, {"add": people})
    client.post(path, {"remove": people})
    assert send("POST", path, {"add": people}).json() == first.json() == {"added": people, "removed": []}
    assert client.get(path).json()["results"] == []


def test_a_repeated_call_is_not_stale(send, client, make_user):
    path = f"{USERS}/{make_user()['id']}"
    etag = client.get(path).headers["ETag"]
    first = send("PATCH", path, {"first_name": "Zoë"}, If_Match=etag)
    assert first.status_code == 200
    assert send("PATCH", path, {"first_name": "Zoë"}, If_Match=etag).content == first.content
    assert send("PATCH", path, {"first_name": "Zoë"}, If_Match=etag, key="new").status_code == 412


def test_after_a_day_a_key_is_new(send):
    """populace/api/receipts.py:stored"""
    assert send("POST", USERS, {"username": "one"}).status_code == 201
    Receipt._base_manager.update(created_at=now() - timedelta(hours=23, minutes=59))
    assert send("POST", USERS, {"username": "one"}).status_code == 201
    Receipt._base_manager.update(created_at=now() - timedelta(hours=24))
    assert send("POST", USERS, {"username": "one"}).status_code == 409
    assert send("POST", USERS, {"username": "two"}).status_code == 201


def test_the_worker_deletes_what_is_over(send):
    """populace/api/receipts.py:delete_expired"""
    from populace.infra.tasks.chores import CHORES

    assert send("POST", USERS, {"username": "one"}).status_code == 201
    made = Receipt.objects.get()
    fields = {"user_id": made.user_id, "fingerprint": made.key, "subject_id": made.key, "status": 200}
    old = now() - timedelta(hours=25)
    Receipt._base_manager.bulk_create(
        Receipt(key=UUID(int=number), created_at=old, **fields) for number in range(DELETE_ROWS + 1)
    )
    assert delete_expired in CHORES
    assert [delete_expired(), delete_expired()] == [True, False]
    assert Receipt.objects.get().pk == made.pk


def test_without_a_key_nothing_is_added(send, client):
    """With one: one look-up. populace/api/views.py:LeanView.dispatch"""

    def statements(call):
        with CaptureQueriesContext(connection) as seen:
            assert call().status_code == 201
        return [query["sql"] for query in seen if "api_receipt" in query["sql"]], len(seen)

    statements(lambda: client.post(USERS, {"username": "zero"}))
    about, plain = statements(lambda: client.post(USERS, {"username": "one"}))
    assert about == []
    about, keyed = statements(lambda: send("POST", USERS, {"username": "two"}))
    inside_the_statement = connection.vendor == "postgresql"
    assert (len(about), keyed) == (2, plain + 1 if inside_the_statement else plain + 2)


def test_nothing_is_kept_of_a_call_that_changes_nothing(send, client):
    assert send("POST", f"{USERS}/lookup", {"identifiers": []}).status_code == 200
    assert client.get(USERS, headers={"Idempotency-Key": "k"}).status_code == 200
    assert not Receipt.objects.exists()


def test_receipts_go_with_their_caller(client_of, token, make_user, actor):
    """populace/api/apps.py:ApiConfig.ready"""
    caller = make_user()["id"]
    leaving = client_of(token(owner=caller))
    headers = {"Idempotency-Key": "k"}
    token()  # another owner stays
    assert leaving.post(USERS, {"username": "one"}, headers=headers).status_code == 201
    assert Receipt.objects.filter(user_id=caller).exists()
    assert leaving.delete(f"{USERS}/{caller}", headers={"Idempotency-Key": "bye"}).status_code == 204
    assert not Receipt.objects.exists()


def test_a_second_call_waits_for_the_first_but_not_for_long(send, monkeypatch):
    """populace/api/inflight.py:alone"""
    monkeypatch.setattr(inflight, "WAIT_S", 0.1)
    held = []
    monkeypatch.setattr(idempotency, "alone", lambda place: held.append(place) or inflight.alone(place))
    assert send("POST", USERS, {"username": "one"}).status_code == 201
    with inflight.alone(held[0]):
        response = send("POST", USERS, {"username": "one"})
    assert (response.status_code, response.json()["code"]) == (409, "idempotency_in_flight")
    assert response.headers["Retry-After"] == "1"
    assert send("POST", USERS, {"username": "one"}).status_code == 201


def test_a_place_is_one_threads(monkeypatch):
    """populace/api/inflight.py:alone"""
    monkeypatch.setattr(inflight, "WAIT_S", 0.05)
    refused = []

    def try_it():
        try:
            with inflight.alone(7):
                pass
        except inflight.InFlight:
            refused.append(1)

    with inflight.alone(7):
        other = Thread(target=try_it)
        other.start()
        other.join()
    try_it()
    assert refused == [1]


def test_a_body_without_a_length_counts(client):
    """populace/api/idempotency.py:_kept_body"""

    def send(name):
        body = io.BytesIO(json.dumps({"username": name}).encode())
        options = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": ""}
        return client.post(USERS, headers={"Idempotency-Key": "k"}, **options, **{"wsgi.input": body}).status_code

    assert [send("one"), send("one"), send("two")] == [201, 201, 422]
