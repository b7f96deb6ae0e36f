"""POST /api/v1/users/batch: many new people at once, each made or refused as POST /users would."""

import json
from threading import Thread
from uuid import UUID

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from populace.api.models import Receipt
from populace.api.outcomes import KEPT_MAX
from populace.audit.models import Event, Outbox
from populace.credentials.hashing import HashingBusy, hash_password, verify_password
from populace.users import attributes_kept, newcomers
from populace.users.api import BATCH_BYTES, BATCH_HASHED
from populace.users.models import AttributeValue, Identifier, User
from populace.users.newcomers import BATCH_MAX

pytestmark = pytest.mark.django_db(transaction=True)

USERS, BATCH = "/api/v1/users", "/api/v1/users/batch"
PASSWORD = "correct horse battery"
MD5 = "md5$salt$" + "0" * 32


@pytest.fixture
def send(client):
    """Return `send(*people, **headers) -> results`."""

    def sent(*people, **headers):
        response = client.post(BATCH, {"users": people}, headers=headers)
        assert response.status_code == 200, response.content
        return response.json()["results"]

    return sent


def said(result):
    """Return the code of a refusal and those of its values."""
    error = result["error"]
    return error["code"], [(fault["pointer"], fault["code"]) for fault in error.get("errors", ())]


def test_each_is_answered_in_its_place_with_the_document_or_the_problem(client, send, make_user):
    make_user(username="Ann", email="ann@example.com")
    results = send(
        {"username": "bob", "email": "bob@example.com", "kind": "service", "attributes": {"a": 1}},
        {"username": "ANN", "email": "Ann@example.com"},
        {"email": "cid@example.com", "is_active": False, "shoe": 44},
        {"first_name": "Nobody"},
        {"email": "dora@example.com"},
    )
    assert [each["status"] for each in results] == [201, 409, 400, 400, 201]
    bob = results[0]["user"]
    assert (bob["username"], bob["kind"], bob["attributes"], bob["version"]) == ("bob", "service", {"a": 1}, 1)
    assert client.get(f"{USERS}/{bob['id']}").json() == bob
    assert said(results[1]) == ("email_taken", [("/email", "email_taken"), ("/username", "username_taken")])
    assert set(said(results[2])[1]) == {("/is_active", "read_only"), ("/shoe", "unknown_field")}
    assert said(results[3]) == ("invalid", [("", "no_identifier")])
    assert Identifier.objects.get(key="email:dora@example.com").user_id == UUID(results[4]["user"]["id"])
    assert not Identifier.objects.filter(key="email:cid@example.com").exists()


@pytest.mark.parametrize(
    "person",
    [
        {"username": "x@y"},
        {"username": "ann"},
        {"username": "Аnn"},
        {"username": "аnn"},
        {"email": "nobody"},
        {"email": "ok@example.com", "password": "short"},
        {"email": "ok@example.com", "password": PASSWORD, "password_hash": "!"},
        {"email": "ok@example.com", "password_hash": "nonsense"},
        {"email": "ok@example.com", "kind": "robot"},
        {"username": 5, "email": ["x"], "attributes": 1, "id": "x", "version": 7},
        {},
    ],
)
def test_a_refusal_is_what_post_users_answers(client, send, make_user, person):
    make_user(username="ann")
    alone = client.post(USERS, person)
    [result] = send(person)
    assert (result["status"], result["error"] | {"instance": ""}) == (
        alone.status_code,
        alone.json() | {"instance": ""},
    )
    assert alone.status_code in (400, 409)


def test_what_the_schema_refuses_is_told_with_its_place(client, send):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert client.put("/api/v1/attribute-schema", schema).status_code == 200
    attributes_kept.forget()
    good, bad = send({"username": "g", "attributes": {"a": 1}}, {"username": "b", "attributes": {"a": "x"}})
    assert (good["status"], bad["status"]) == (201, 400)
    assert said(bad)[1][0][0] == "/attributes/a"


def test_of_twins_in_a_batch_the_first_is_made(send):
    """Guard: populace/users/newcomers.py:_decided."""
    results = send(
        {"username": "ace", "email": "twin@example.com"},
        {"username": "two", "email": "TWIN@example.com"},
        {"username": "ACE"},
        {"username": "асе"},  # Cyrillic
        {"username": "two"},  # the first to want it was refused for its e-mail
    )
    assert [each["status"] for each in results] == [201, 409, 409, 409, 201]
    assert [said(each)[0] for each in results[1:4]] == ["email_taken", "username_taken", "confusable"]


def test_everything_that_post_users_writes_is_written(client, send):
    """And not quietly: mail follows. Guard: populace/users/newcomers.py:_write."""
    values = {"username": "alone", "email": "alone@example.com", "phone": "+43 1 234567", "external_id": "x"}
    client.post(USERS, values)
    send({name: {"phone": "+43 1 234568"}.get(name, value + "y") for name, value in values.items()})

    def written(user):
        event = Event.objects.get(subject_id=user.id)
        outbox = Outbox.objects.get(subject_id=user.id)
        claimed = Identifier.objects.filter(user_id=user.id).values_list("key", flat=True)
        return (
            event.action,
            event.actor,
            sorted(event.details["changes"]),
            event.details["address"],
            (outbox.event_id == event.id, outbox.quiet, outbox.action),
            sorted(key.partition(":")[0] for key in claimed),
            user.password,
        )

    one, other = User.objects.filter(username__startswith="alone").order_by("date_joined")
    assert written(one) == written(other)


def statements(client, people, key=""):
    headers = {"Idempotency-Key": key} if key else {}
    with CaptureQueriesContext(connection) as seen:
        response = client.post(BATCH, {"users": people}, headers=headers)
    assert {each["status"] for each in response.json()["results"]} <= {201, 409}
    return [query["sql"].split()[0] for query in seen]


def people(name, count):
    return [{"username": f"{name}{number}", "email": f"{name}{number}@example.com"} for number in range(count)]


@pytest.mark.parametrize("key", ["", "k"])
def test_a_batch_is_one_round_of_statements_however_many_are_in_it(client, key):
    """Guard: populace/users/newcomers.py:create_each, populace/users/lookup.py:people_of."""
    client.post(BATCH, {"users": people("w", 1)})
    two = statements(client, people("a", 2), key and "a")
    many = statements(client, people("b", 200) + people("a", 2), key and "b")
    assert (len(two), two) == (len(many), many)
    assert len(two) <= 14


def test_two_batches_at_once_make_each_person_once(client_of, token):
    """Guard: populace/users/newcomers.py:_claimed."""
    everybody, answers = people("r", 60), []
    secrets = [token() for _ in range(3)]

    def send(secret, order):
        answers.append(client_of(secret).post(BATCH, {"users": order}))
        connections.close_all()

    threads = [
        Thread(target=send, args=(secret, everybody[start:] + everybody[:start]))
        for secret, start in zip(secrets, (0, 20, 40), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 3
    made = [each for answer in answers for each in answer.json()["results"] if each["status"] == 201]
    refused = [each for answer in answers for each in answer.json()["results"] if each["status"] != 201]
    assert sorted(each["user"]["username"] for each in made) == sorted(each["username"] for each in everybody)
    assert {said(each)[0] for each in refused} == {"email_taken"}
    claimed = Identifier.objects.filter(key__startswith="email:r").values_list("user_id", flat=True)
    assert sorted(map(str, claimed)) == sorted(each["user"]["id"] for each in made)


def test_who_is_overtaken_is_refused_and_leaves_nothing(send, monkeypatch, make_user):
    """Somebody takes an identifier between our look and our write. Guard: populace/users/newcomers.py:_claimed."""
    decided = newcomers._decided

    def overtaken(*arguments):
        outcomes = decided(*arguments)
        make_user(username="fast", email="wanted@example.com")
        return outcomes

    monkeypatch.setattr(newcomers, "_decided", overtaken)
    results = send({"username": "slow", "email": "wanted@example.com"}, {"username": "other"})
    assert [each["status"] for each in results] == [409, 201]
    assert said(results[0]) == ("email_taken", [("/email", "email_taken")])
    assert not Identifier.objects.filter(key="username:slow").exists()
    assert not User.objects.filter(username="slow").exists()


def test_passwords_are_hashed_and_checked(send):
    results = send({"username": "ann", "password": PASSWORD}, {"username": "horses", "password": "horses and carts"})
    assert [each["status"] for each in results] == [201, 400]
    assert said(results[1])[1] == [("/password", "password_contains_username")]
    assert verify_password(PASSWORD, User.objects.get(username="ann").password)
    assert "password" not in results[0]["user"]


def test_a_finished_hash_is_an_administrators_to_bring(client_of, token, send):
    """Guard: populace/users/api.py:_checked, UserBatch.post (the refusal is in the log)."""
    encoded = hash_password(PASSWORD)
    body = {"users": [{"username": "a", "password_hash": encoded}, {"username": "b"}]}
    narrow = client_of(token("users:write")).post(BATCH, body).json()["results"]
    assert [(each["status"], each.get("error", {}).get("code")) for each in narrow] == [(403, "scope"), (201, None)]
    event = Event.objects.get(action="authz.denied")
    assert event.details["changes"] == {"call": {"old": None, "new": f"POST {BATCH}"}}
    [made] = send({"username": "a", "password_hash": encoded})
    assert User.objects.get(pk=made["user"]["id"]).password == encoded


@pytest.mark.parametrize("secret", [{"password": PASSWORD}, {"password_hash": MD5}])
def test_what_has_to_be_hashed_here_is_bounded(client, secret):
    """Passwords and fast digests. Guard: populace/users/api.py:UserBatch.post, _takes_time."""
    many = [{"username": f"u{number}"} | secret for number in range(BATCH_HASHED + 1)]
    response = client.post(BATCH, {"users": many})
    assert (response.status_code, response.json()["code"]) == (400, "too_many")
    assert str(BATCH_HASHED) in response.json()["detail"]
    assert not User.objects.filter(username="u0").exists()
    results = client.post(BATCH, {"users": many[1:]}).json()["results"]
    assert {each["status"] for each in results} == {201}
    assert {User.objects.get(username=name).password[:6] for name in ("u1", "u20")} <= {"argon2", "wrapped"}


def test_without_a_slot_nothing_is_done(client, monkeypatch):
    """503, and it may be sent again."""

    def busy(raw):
        raise HashingBusy

    monkeypatch.setattr("populace.users.api.hash_password", busy)
    response = client.post(BATCH, {"users": [{"username": "a"}, {"username": "quick", "password": PASSWORD}]})
    assert (response.status_code, response.json()["code"]) == (503, "overloaded")
    assert response.headers["Retry-After"]
    assert not User.objects.filter(username="a").exists()


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({}, "invalid", "/users"),
        ({"users": {}}, "invalid", "/users"),
        ({"users": [{}, "ann"]}, "invalid", "/users/1"),
        ({"users": [], "dry_run": True}, "invalid", "/dry_run"),
        ({"users": [{}] * (BATCH_MAX + 1)}, "too_many", None),
    ],
)
def test_what_is_no_batch_is_refused_as_a_whole(client, body, code, pointer):
    response = client.post(BATCH, body)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (400, code)
    assert [fault["pointer"] for fault in problem.get("errors", [])] == ([pointer] if pointer else [])


def test_nobody_at_all_is_an_empty_answer(send):
    assert send() == []
    assert send(**{"Idempotency-Key": "none"}) == send(**{"Idempotency-Key": "none"}) == []


def test_a_thousand_people_in_eight_mebibytes(client):
    """Guard: populace/api/parsers.py:body_of."""
    fat = [each | {"attributes": {"a": "x" * 7000}} for each in people("f", BATCH_MAX)]
    body = json.dumps({"users": fat})
    assert (1 << 20) < len(body) < BATCH_BYTES
    headers = {"Idempotency-Key": "fat"}  # the body is read twice
    for _ in range(2):
        response = client.post(BATCH, body, headers=headers)
        assert {each["status"] for each in response.json()["results"]} == {201}
    too_large = client.post(BATCH, body + " " * (BATCH_BYTES + 1 - len(body)))
    assert (too_large.status_code, too_large.json()["code"]) == (413, "too_large")
    assert client.post(USERS, body).status_code == 413


@pytest.mark.parametrize("value", ["[]", "{}", "1.5", '""'])
def test_a_large_body_has_no_more_values_than_one_of_a_mebibyte(client, value):
    """Decoded, it would take hundreds of megabytes. Guard: populace/api/parsers.py:StrictJSONParser.parse."""
    many = ",".join([value] * (BATCH_BYTES // (len(value) + 1) - 100))
    response = client.post(BATCH, f'{{"users":[{{"username":"a","attributes":{{"a":[{many}]}}}}]}}')
    assert (response.status_code, response.json()["code"]) == (400, "too_many")


def test_the_second_answer_has_the_people_as_they_are_and_the_problems_as_they_were(client, send):
    """Guard: populace/api/outcomes.py:kept, outcomes_of."""
    headers = {"Idempotency-Key": "k"}
    batch = [{"username": "ann"}, {"username": "ANN"}, {"email": "x"}, {"username": "bob"}, {"username": "cid"}]
    first = send(*batch, **headers)
    assert [each["status"] for each in first] == [201, 409, 400, 201, 201]
    client.delete(f"{USERS}/{first[3]['user']['id']}")
    client.patch(f"{USERS}/{first[4]['user']['id']}", {"first_name": "Cid"})
    second = send(*batch, **headers)
    for each in (*first, *second):
        each.get("error", {}).pop("instance", None)
    assert second[:3] == first[:3]
    assert (second[3]["status"], said(second[3])[0]) == (404, "not_found")
    assert second[4]["user"]["first_name"] == "Cid"
    kept = Receipt.objects.get().result
    assert "ann" not in kept.lower()
    assert first[0]["user"]["id"] in kept


def test_a_receipt_is_bounded(client, send):
    """Guard: populace/api/outcomes.py:kept."""
    faults = {f"unknown{number:060d}": 1 for number in range(20)}
    batch = [faults] * 300 + [{"username": "last"}]
    first, second = send(*batch, **{"Idempotency-Key": "k"}), send(*batch, **{"Idempotency-Key": "k"})
    assert len(Receipt.objects.get().result) < KEPT_MAX + 64 * BATCH_MAX
    assert [each["status"] for each in second] == [each["status"] for each in first]
    assert (len(first[299]["error"]["errors"]), "errors" in second[299]["error"]) == (20, False)
    assert second[0]["error"]["errors"] == first[0]["error"]["errors"]
    assert second[300] == first[300]


def test_indexed_attributes_are_found(client, send, settings):
    """Guard: populace/users/newcomers.py:_write."""
    from populace.users import attributes_kept

    schema = {"type": "object", "properties": {"a": {"type": "string", "indexed": True}}}
    assert client.put("/api/v1/attribute-schema", schema).status_code == 200
    attributes_kept.forget()
    [made] = send({"username": "i", "attributes": {"a": "x"}})
    assert AttributeValue.objects.get().user_id == UUID(made["user"]["id"])
