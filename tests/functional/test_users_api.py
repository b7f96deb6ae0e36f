"""/api/v1/users over HTTP: what the contract says of one person."""

import json
import re
from uuid import uuid4

import pytest

from populace.audit.models import Event
from populace.credentials.hashing import hash_password, verify_password
from populace.users.actions import PROFILE
from populace.users.api import SECRETS
from populace.users.documents import USER_FIELDS
from populace.users.models import User

pytestmark = pytest.mark.django_db

USERS = "/api/v1/users"
READ_ONLY = set(USER_FIELDS) - set(PROFILE)
OTHERS = {"is_superuser", "is_staff", "org", "permissions", "created_at", "mfa", "scim_managed", *SECRETS}


def path(document, verb=""):
    return f"{USERS}/{document['id']}{verb and '/' + verb}"


def codes(response):
    return {(fault["pointer"], fault["code"]) for fault in response.json()["errors"]}


def test_a_person_is_read_by_id_with_an_etag(client, make_user):
    person = make_user(first_name="Ann")
    response = client.get(path(person))
    assert (response.status_code, response.json()) == (200, person)
    assert re.fullmatch(r'"1\.[0-9a-f]{8}"', response["ETag"])
    assert response["Content-Type"] == "application/json"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cache-Control"] == "private, no-store"
    assert int(response["Content-Length"]) == len(response.content)


def test_a_trailing_slash_upper_case_and_head_are_accepted(client, make_user):
    person = make_user()
    assert client.get(path(person) + "/").json() == person
    assert client.get(f"{USERS}/{person['id'].upper()}").json() == person
    assert client.head(path(person)).status_code == 200


@pytest.mark.parametrize("id", [uuid4(), "x", "0" * 32, "{" + str(uuid4()) + "}", "1' OR 1=1", "%00", "é"])
def test_an_unknown_or_impossible_id_is_not_found(client, id):
    for response in (client.get(f"{USERS}/{id}"), client.patch(f"{USERS}/{id}", {}), client.delete(f"{USERS}/{id}")):
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_if_none_match_answers_304_to_exactly_these_bytes(client, make_user):
    person = make_user()
    etag = client.get(path(person))["ETag"]
    for header in (etag, f'"9.00000000", W/{etag}', "*"):
        response = client.get(path(person), headers={"If-None-Match": header})
        assert (response.status_code, response.content, response["ETag"]) == (304, b"", etag)
    for header in ('"1.00000000"', "1", ""):
        assert client.get(path(person), headers={"If-None-Match": header}).status_code == 200


def test_a_new_person_is_created_with_location_and_etag(client):
    response = client.post(USERS, {"email": "Ann@Example.com", "kind": "service", "attributes": {"a": [1, None]}})
    assert response.status_code == 201, response.content
    person = response.json()
    assert (person["email"], person["kind"], person["attributes"]) == ("Ann@Example.com", "service", {"a": [1, None]})
    assert response["Location"] == path(person)
    assert client.get(response["Location"])["ETag"] == response["ETag"]


def test_the_event_names_the_caller_and_the_request(client, make_user, token, client_of):
    owner = make_user()
    caller = client_of(token("users:write", owner=owner["id"]))
    headers = {"X-Request-ID": "abc-1", "User-Agent": "curl/8"}
    person = caller.post(USERS, {"email": "event@example.com"}, headers=headers).json()
    event = Event.objects.get(subject_id=person["id"], action="user.created")
    assert (str(event.actor), event.request_id) == (owner["id"], "abc-1")
    assert (event.details["address"], event.details["user_agent"]) == ("127.0.0.1", "curl/8")


@pytest.mark.django_db(transaction=True)
def test_a_twin_is_told_every_identifier_that_is_taken(client, make_user):
    make_user(username="Twin", email="twin@example.com")
    response = client.post(USERS, {"username": "tWIN", "email": "Twin@EXAMPLE.com"})
    assert (response.status_code, response.json()["code"]) == (409, "email_taken")
    assert codes(response) == {("/email", "email_taken"), ("/username", "username_taken")}
    response = client.patch(path(make_user()), {"username": "TWIN"})
    assert (response.status_code, response.json()["code"]) == (409, "username_taken")


def test_a_person_needs_an_identifier(client, make_user):
    assert codes(client.post(USERS, {"first_name": "Ann"})) == {("", "no_identifier")}
    assert codes(client.patch(path(make_user()), {"username": None, "email": ""})) == {("", "no_identifier")}


def test_every_fault_is_told_with_its_pointer_and_no_value(client):
    body = {"email": "no-at-SECRET", "username": 5, "phone": "+1", "password": "SECRET", "shoe/size": "SECRET"}
    response = client.post(USERS, body)
    assert response.status_code == 400
    assert {pointer for pointer, _ in codes(response)} == {"/email", "/username", "/phone", "/password", "/shoe~1size"}
    assert b"SECRET" not in response.content


@pytest.mark.parametrize("name", sorted(READ_ONLY | OTHERS))
def test_a30_what_is_not_writable_is_refused_and_never_dropped(client, make_user, name):
    """Guard: populace/users/documents.py:UserDocument._refused, check_read_only."""
    person = make_user()
    value = {"kind": "service", "is_active": False}.get(name, True)
    response = client.patch(path(person), {"first_name": "Ann", name: value})
    assert response.status_code == 400
    assert f"/{name}" in {pointer for pointer, _ in codes(response)}
    if name not in (*SECRETS, "kind"):
        response = client.post(USERS, {"email": "mass@example.com", name: True})
        assert response.status_code == 400
    assert client.get(path(person)).json() == person


def test_what_was_read_may_be_sent_back(client, make_user):
    person = make_user()
    response = client.patch(path(person), person | {"first_name": "Ann"})
    assert (response.status_code, response.json()["first_name"], response.json()["version"]) == (200, "Ann", 2)
    stale = client.patch(path(person), person | {"first_name": "Bob"}, headers={"If-Match": '"1.00000000"'})
    assert stale.status_code == 412


def test_a_patch_changes_only_what_is_sent(client, make_user):
    person = make_user(first_name="Ann", attributes={"a": 1, "b": {"c": 2, "d": 3}})
    response = client.patch(path(person), {"last_name": "Bee", "attributes": {"a": None, "b": {"c": 4}}})
    changed = response.json()
    assert response.status_code == 200
    expected = {"last_name": "Bee", "attributes": {"b": {"c": 4, "d": 3}}, "version": 2}
    assert changed == person | expected | {"updated_at": changed["updated_at"]}
    assert client.get(path(person))["ETag"] == response["ETag"]


def test_a_patch_that_changes_nothing_makes_no_version(client, make_user):
    person = make_user(first_name="Ann")
    assert client.patch(path(person), {"first_name": "Ann"}).json() == person
    assert client.patch(path(person), {}).json() == person


@pytest.mark.parametrize("header", ['"2.00000000"', '"0.12345678"', "*x", '"x"', "", '"99999999999999999999.00000000"'])
def test_another_version_in_if_match_is_refused(client, make_user, header):
    person = make_user()
    headers = {"If-Match": header}
    answers = [
        client.patch(path(person), {"first_name": "Ann"}, headers=headers),
        client.delete(path(person), headers=headers),
        client.post(path(person, "deactivate"), headers=headers),
        client.post(path(person, "password"), {"password": "correct horse battery"}, headers=headers),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(412, "precondition_failed")] * 4
    assert client.get(path(person)).json() == person


def test_if_match_compares_the_version_alone(client, make_user):
    person = make_user()
    for number, header in enumerate(('"1.00000000"', 'W/"2.ffffffff"', '"1.00000000", "3.00000000"', "*"), 1):
        response = client.patch(path(person), {"first_name": f"Ann {number}"}, headers={"If-Match": header})
        assert (response.status_code, response.json().get("version")) == (200, number + 1)


def test_both_media_types_of_a_patch_mean_the_same(client, make_user):
    person = make_user()
    for number, media in enumerate(("application/json", "application/merge-patch+json; charset=UTF-8")):
        assert client.patch(path(person), {"first_name": str(number)}, content_type=media).status_code == 200


def test_a_deactivated_person_is_still_there_and_activated_again(client, make_user):
    person = make_user()
    for verb, active in (("deactivate", False), ("deactivate", False), ("activate", True)):
        response = client.post(path(person, verb))
        assert (response.status_code, response.json()["is_active"]) == (200, active)
        assert client.get(path(person)).json()["is_active"] is active
    assert client.post(path(person, "deactivate"), {}).status_code == 200
    assert codes(client.post(path(person, "deactivate"), {"reason": "x"})) == {("/reason", "unknown_field")}
    assert client.post(f"{USERS}/{uuid4()}/activate").status_code == 404


def test_an_erased_person_is_gone(client, make_user):
    person = make_user()
    response = client.delete(path(person), headers={"If-Match": '"1.00000000"'})
    assert (response.status_code, response.content) == (204, b"")
    for again in (client.get(path(person)), client.delete(path(person)), client.patch(path(person), {})):
        assert again.status_code == 404
    assert client.post(USERS, {"email": person["email"]}).status_code == 201


def test_a_password_is_stored_hashed(client):
    person = client.post(USERS, {"email": "pw@example.com", "password": "correct horse battery"}).json()
    encoded = User.objects.get(id=person["id"]).password
    assert encoded.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert verify_password("correct horse battery", encoded)
    response = client.post(path(person, "password"), {"password": "another horse battery"})
    assert (response.status_code, response.json()["version"]) == (200, 2)
    assert "password" not in response.json()
    assert verify_password("another horse battery", User.objects.get(id=person["id"]).password)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("x" * 14, "password_too_short"),
        ("x" * 257, "password_too_long"),
        ("𝕏" * 256 + "x", "password_too_long"),
        ("correct SomeBody battery", "password_contains_username"),
        (None, "invalid"),
        (15 * [1], "invalid"),
    ],
)
def test_a_password_outside_the_policy_is_refused_before_hashing(client, make_user, monkeypatch, password, code):
    monkeypatch.setattr("populace.users.api.hash_password", None)
    response = client.post(USERS, {"username": "somebody", "password": password})
    assert codes(response) == {("/password", code)}
    person = make_user(username="somebody")
    assert codes(client.post(path(person, "password"), {"password": password})) == {("/password", code)}
    assert client.post(path(person, "password"), {}).status_code == 400
    assert codes(client.post(path(person, "password"), {"pasword": "x"})) == {("/pasword", "unknown_field")}


def test_a_finished_hash_is_taken_from_administrators_alone(client, client_of, token):
    encoded = hash_password("correct horse battery")
    body = {"email": "hash@example.com", "password_hash": encoded}
    response = client_of(token("users:write", "users:read")).post(USERS, body)
    assert (response.status_code, response.json()["code"]) == (403, "scope")
    person = client.post(USERS, body).json()
    assert User.objects.get(id=person["id"]).password == encoded
    assert codes(client.post(USERS, body | {"password": "correct horse battery"})) == {("/password_hash", "invalid")}


@pytest.mark.parametrize(
    ("encoded", "code"),
    [
        ("", "hash_unknown"),
        ("!", "hash_unknown"),
        ("secret", "hash_unknown"),
        ("argon2$", "hash_unknown"),
        ("pbkdf2_sha256$1$a$b", "hash_unknown"),
        ("argon2$argon2id$v=19$m=9999999,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo", "hash_cost"),
        ("argon2$argon2id$v=19$m=19456,t=9999,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo", "hash_cost"),
    ],
)
def test_a_hash_we_could_not_check_is_refused(client, encoded, code):
    response = client.post(USERS, {"email": "hash@example.com", "password_hash": encoded})
    assert codes(response) == {("/password_hash", code)}


def test_no_password_or_hash_reaches_log_event_or_error(client, capfd, make_user):
    secret, encoded = "correct horse SECRET", hash_password("correct horse SECRET")
    person = client.post(USERS, {"email": "secret@example.com", "password": secret}).json()
    client.post(path(person, "password"), {"password_hash": encoded})
    for body in ({"password": "SECRET"}, {"password_hash": "SECRET"}, {"email": "x", "password": secret, "x": 1}):
        assert b"SECRET" not in client.post(USERS, body).content
    told = json.dumps([event.details for event in Event.objects.filter(subject_id=person["id"])])
    out, err = capfd.readouterr()
    for text in (told, out, err):
        assert "SECRET" not in text
        assert "argon2" not in text
