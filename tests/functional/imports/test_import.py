"""`import_file`: people come in through the verbs, bad rows are told, a second time changes nothing."""

import json
import os

import pytest

from populace.audit.models import Event, Outbox
from populace.bulk.errors import FileRefused, OptionRefused
from populace.credentials.hashing import verify_password
from populace.users.models import User
from tests.support.imports import numbers

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)  # a password is hashed meanwhile: no transaction may be open
def test_the_keycloak_realm_comes_in_with_its_people_and_its_service_account(run, realm):
    assert numbers(run(realm)) == {"done": 4, "skipped": 0, "failed": 0, "service_accounts": 1}
    alice = User.objects.get(username="alice")
    assert (alice.email, alice.first_name, alice.last_name) == ("alice@keycloak.org", "Alice", "Liddel")
    assert (alice.kind, alice.is_active, alice.email_verified) == ("person", True, False)
    assert verify_password("alice", alice.password)
    service = User.objects.get(kind="service")
    assert service.username == "service-account-jakarta-servlet-authz-client"
    assert service.password == "!"


@pytest.mark.django_db(transaction=True)  # a password is hashed meanwhile: no transaction may be open
@pytest.mark.parametrize(("file", "people"), [("realm", 4), ("identities", 9)])
@pytest.mark.parametrize("on_conflict", ["skip", "update"])
def test_a_second_import_changes_nothing(request, run, everything, file, people, on_conflict):
    path = request.getfixturevalue(file)
    assert run(path).done == people
    before = everything()
    again = run(path, on_conflict=on_conflict)
    assert (again.done, again.skipped, again.failed) == (0, people, 0)
    assert everything() == before


@pytest.mark.django_db(transaction=True)  # a password is hashed meanwhile: no transaction may be open
def test_each_person_has_an_event_and_no_mail_follows(run, realm, actor):
    run(realm)
    assert Event.objects.filter(action="user.created", actor=actor.id).count() == 4
    assert set(Outbox.objects.filter(action__startswith="user.").values_list("quiet", flat=True)) == {True}


def test_what_cannot_be_stored_is_a_bad_row_of_its_own(tmp_path, run):
    """populace/bulk/passwords.py:check_password, populace/users/attributes.py:checked"""
    users = [
        {"username": "surrogate", "credentials": [{"type": "password", "value": "pass\ud800word"}]},
        {"username": "long", "credentials": [{"type": "password", "value": "x" * 300}]},
        {"username": "number", "attributes": {"n": [10**30]}},
        {"username": "good"},
    ]
    (tmp_path / "realm").write_text(json.dumps({"users": users}))
    result = run(tmp_path / "realm")
    assert [(row, code) for row, code, _ in result.errors] == [(1, "invalid"), (2, "password_too_long"), (3, "invalid")]
    assert User.objects.get().username == "good"


def test_a_user_name_that_is_the_rows_own_email_is_dropped(import_text):
    import_text("username,email\nAnn@Example.org,ann@example.org\nbob,bob@example.org\n")
    assert sorted(User.objects.values_list("username", "email")) == [
        ("", "ann@example.org"),
        ("bob", "bob@example.org"),
    ]


def test_bad_rows_are_told_by_number_and_the_good_ones_go_in(import_text):
    result = import_text(
        "username,email,locale,kind\n"
        "good,good@example.org,de,\n"
        "bad,secret-not-an-address,,\n"
        ",,de,\n"
        "robot,,,machine\n"
        "alone\n"
        "last,,,service\n"
    )
    assert sorted(User.objects.values_list("username", flat=True)) == ["good", "last"]
    assert (result.done, result.skipped, result.failed) == (2, 0, 4)
    assert [(row, code) for row, code, _ in result.errors] == [
        (2, "invalid"),
        (3, "no_identifier"),
        (4, "invalid_choice"),
        (5, "malformed"),
    ]


def test_a_reason_never_repeats_a_value(import_text):
    values = {
        "email": "s3cr3t",
        "username": "s3cr3t@",
        "phone": "s3cr3t",
        "kind": "s3cr3t",
        "timezone": "s3cr3t",
        "locale": "s3cr3t-",
        "is_active": "s3cr3t",
        "first_name": "s3cr3t" * 40,
        "external_id": "s3cr3t" * 50,
    }
    for column, value in values.items():
        result = import_text(f"{column},{'email' if column != 'email' else 'username'}\n{value},\n")
        assert result.failed == 1, column
        assert "s3cr3t" not in repr(result.errors), column


def test_somebody_who_is_there_is_skipped_or_fails_as_asked(import_text, make_user):
    make_user(username="ann", email="ann@example.org", first_name="Ann")
    text = "email,first_name\nANN@example.org,Other\n"
    skipped = import_text(text)
    assert (skipped.skipped, skipped.summary()["skipped_rows"]) == (1, [1])
    result = import_text(text, on_conflict="fail")
    assert result.errors == [(1, "email_taken", "Held by somebody already: email.")]
    assert User.objects.get(username="ann").first_name == "Ann"


def test_identifiers_of_two_different_people_are_never_skipped(import_text, make_user):
    make_user(username="ann", email="ann@example.org")
    make_user(username="bob", email="bob@example.org")
    result = import_text("username,email\nann,bob@example.org\n")
    assert result.errors == [(1, "email_taken", "Held by somebody already: email, username.")]


@pytest.mark.django_db(transaction=True)  # a password is hashed meanwhile: no transaction may be open
def test_passwords_are_hashed_and_not_held_to_the_policy(import_text):
    import_text("username,password,is_active,email_verified\nann,short,false,true\n")
    ann = User.objects.get()
    assert verify_password("short", ann.password)
    assert (ann.is_active, ann.email_verified) == (False, True)
    assert "short" not in json.dumps(list(Event.objects.values_list("details", flat=True)))


def test_the_report_tells_how_far_it_has_come(import_text):
    seen = []
    text = "email\n" + "".join(f"p{n}@example.org\n" for n in range(5))
    import_text(text, report=lambda job: seen.append((job.state, job.done, job.total)))
    assert seen == [("running", 0, None), ("running", 0, 5), ("running", 5, 5), ("succeeded", 5, 5)]


def test_unknown_options_and_too_large_files_are_refused(import_text, tmp_path, run):
    with pytest.raises(OptionRefused):
        import_text("email\n", file_format="yaml")
    with pytest.raises(OptionRefused):
        import_text("email\n", on_conflict="guess")
    huge = tmp_path / "huge.csv"
    huge.touch()
    os.truncate(huge, (2 << 30) + 1)
    with pytest.raises(FileRefused, match="larger than 2 GiB"):
        run(huge)


def test_every_fault_of_a_row_is_told(import_text):
    result = import_text("username,email,locale,is_active,password_hash\na@,b,-,maybe,x\n")
    [(row, code, reason)] = result.errors
    assert (row, code) == (1, "hash_unknown")
    told = [word[:-1] for word in reason.split() if word.endswith(":")]
    assert told == ["password_hash", "is_active", "username", "email", "locale"]


def test_a_row_has_a_password_or_a_hash(import_text, codes):
    hashed = "$2a$10$ZsCsoVQ3xfBG/K2z2XpBf.tm90GZmtOqtqWcB5.pYd5Eq8y7RlDyq"
    result = import_text(f"username,password,password_hash\nann,secret,{hashed}\nbob,,{hashed}\n")
    assert codes(result) == [(1, "invalid")]
    assert verify_password("123456", User.objects.get().password)
