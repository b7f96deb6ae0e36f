"""`import_file`: people come in through the verbs, bad rows are told, a second time changes nothing."""

import csv
import json
import os
from pathlib import Path

import pytest

from populace.audit.models import Event, Outbox
from populace.bulk.errors import FileRefused, OptionRefused
from populace.bulk.imports import import_file
from populace.credentials.hashing import verify_password
from populace.users.models import Identifier, User

DATA = Path(__file__).parent.parent / "data"
REALM = DATA / "keycloak-realm.json"

pytestmark = pytest.mark.django_db


@pytest.fixture
def import_text(tmp_path, actor):
    """Return `import_text(text, **options) -> ImportResult`, from a file people.csv."""

    def run(text: str, **options):
        path = tmp_path / "people.csv"
        path.write_text(text, encoding="utf-8")
        return import_file(path, by=actor, **options)

    return run


def everything() -> list[list]:
    return [list(model._base_manager.order_by("pk").values()) for model in (User, Identifier, Event)]


def test_the_keycloak_realm_comes_in_with_its_people_and_its_service_account(actor):
    result = import_file(REALM, by=actor)
    assert result.summary() == {"done": 4, "skipped": 0, "failed": 0, "roles_not_imported": 4, "service_accounts": 1}
    alice = User.objects.get(username="alice")
    assert (alice.email, alice.first_name, alice.last_name) == ("alice@keycloak.org", "Alice", "Liddel")
    assert (alice.kind, alice.is_active, alice.email_verified) == ("person", True, False)
    assert verify_password("alice", alice.password)
    service = User.objects.get(kind="service")
    assert service.username == "service-account-jakarta-servlet-authz-client"
    assert service.password == "!"


def test_a_second_import_changes_nothing(actor):
    import_file(REALM, by=actor)
    before = everything()
    result = import_file(REALM, by=actor)
    assert (result.done, result.skipped, result.failed) == (0, 4, 0)
    assert everything() == before


def test_each_person_has_an_event_and_no_mail_follows(actor):
    import_file(REALM, by=actor)
    assert Event.objects.filter(action="user.created", actor=actor.id).count() == 4
    assert set(Outbox.objects.values_list("quiet", flat=True)) == {True}


def test_a_hash_that_cannot_be_taken_is_counted_and_the_person_comes_without_password(tmp_path, actor):
    user = {"username": "ann", "credentials": [{"type": "password", "secretData": "{}", "credentialData": "{}"}]}
    (tmp_path / "realm").write_text(json.dumps({"users": [user]}))
    result = import_file(tmp_path / "realm", by=actor)
    assert result.counts == {"password_not_imported": 1}
    assert User.objects.get(username="ann").password == "!"


def test_what_cannot_be_stored_is_a_bad_row_of_its_own(tmp_path, actor):
    """populace/bulk/imports.py:_hashed, populace/users/attributes.py:checked"""
    users = [
        {"username": "surrogate", "credentials": [{"type": "password", "value": "pass\ud800word"}]},
        {"username": "long", "credentials": [{"type": "password", "value": "x" * 300}]},
        {"username": "number", "attributes": {"n": [10**30]}},
        {"username": "good"},
    ]
    (tmp_path / "realm").write_text(json.dumps({"users": users}))
    result = import_file(tmp_path / "realm", by=actor)
    assert [(row, code) for row, code, _ in result.errors] == [(1, "invalid"), (2, "password_too_long"), (3, "invalid")]
    assert User.objects.get().username == "good"


def test_a_user_name_that_is_the_rows_own_email_is_dropped(import_text):
    import_text("username,email\nAnn@Example.org,ann@example.org\nbob,bob@example.org\n")
    assert sorted(User.objects.values_list("username", "email")) == [
        ("", "ann@example.org"),
        ("bob", "bob@example.org"),
    ]


def test_bad_rows_are_told_by_number_and_the_good_ones_go_in(import_text, tmp_path):
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
    assert result.errors_file == tmp_path / "people.csv.errors.csv"
    with result.errors_file.open(newline="") as file:
        assert [tuple(row) for row in csv.reader(file)] == [
            ("row", "code", "reason"),
            *((str(row), code, reason) for row, code, reason in result.errors),
        ]
    assert oct(result.errors_file.stat().st_mode)[-3:] == "600"


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


def test_the_error_file_of_an_earlier_try_is_removed(import_text, tmp_path):
    assert import_text("email\nwrong\n").errors_file.exists()
    assert import_text("email\nright@example.org\n").errors_file is None
    assert not (tmp_path / "people.csv.errors.csv").exists()


def test_an_error_file_that_cannot_be_written_stops_nothing(import_text, tmp_path):
    (tmp_path / "people.csv.errors.csv").mkdir()
    result = import_text("email\nwrong\nright@example.org\n")
    assert (result.done, result.failed, result.errors_file) == (1, 1, None)


def test_a_dry_run_checks_every_row_and_writes_no_person(import_text):
    text = "email,password\na@example.org,pw\nwrong,\n"
    result = import_text(text, dry_run=True)
    assert (result.done, result.failed) == (1, 1)
    assert not User.objects.exists()


def test_somebody_who_is_there_is_skipped_or_fails_as_asked(import_text, make_user):
    make_user(username="ann", email="ann@example.org", first_name="Ann")
    text = "email,first_name\nANN@example.org,Other\n"
    assert import_text(text).skipped == 1
    result = import_text(text, on_conflict="fail")
    assert result.errors == [(1, "email_taken", "Held by somebody already: email.")]
    assert User.objects.get(username="ann").first_name == "Ann"


def test_identifiers_of_two_different_people_are_never_skipped(import_text, make_user):
    make_user(username="ann", email="ann@example.org")
    make_user(username="bob", email="bob@example.org")
    result = import_text("username,email\nann,bob@example.org\n")
    assert result.errors == [(1, "email_taken", "Held by somebody already: email, username.")]


def test_passwords_are_hashed_and_not_held_to_the_policy(import_text):
    import_text("username,password,is_active,email_verified\nann,short,false,true\n")
    ann = User.objects.get()
    assert verify_password("short", ann.password)
    assert (ann.is_active, ann.email_verified) == (False, True)
    assert "short" not in json.dumps(list(Event.objects.values_list("details", flat=True)))


def test_the_report_goes_from_begin_to_end(import_text):
    seen: list[float] = []
    import_text("email\n" + "".join(f"p{n}@example.org\n" for n in range(5)), report=seen.append)
    assert len(seen) == 5
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_unknown_options_and_too_large_files_are_refused(import_text, tmp_path, actor):
    with pytest.raises(OptionRefused):
        import_text("email\n", file_format="yaml")
    with pytest.raises(OptionRefused):
        import_text("email\n", on_conflict="guess")
    huge = tmp_path / "huge.csv"
    huge.touch()
    os.truncate(huge, (2 << 30) + 1)
    with pytest.raises(FileRefused, match="larger than 2 GiB"):
        import_file(huge, by=actor)
