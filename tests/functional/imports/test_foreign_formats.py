"""The exports of other systems, by a sample of each: who comes in, with which password, and what is said of the rest.

The samples in tests/data are made after each system's own description of its format.
"""

import gzip
import json

import pytest

from populace.bulk.errors import FileRefused, OptionRefused
from populace.bulk.options import read_options
from populace.credentials.hashing import verify_password
from populace.groups.models import GroupRole, RoleAssignment
from populace.users.models import User

pytestmark = pytest.mark.django_db

SECRET = "correct horse"


@pytest.fixture
def person():
    """Return `person(external_id) -> User`."""
    return lambda external_id: User.objects.get(external_id=external_id)


@pytest.fixture
def firebase_options(data):
    return read_options(data / "firebase-hash-config.txt")


def counts(result):
    """Return what the summary tells by name, and the rows with what stayed behind."""
    return dict(result.counts), result.left_out


def test_every_kind_of_hash_that_auth0_imports_takes_the_right_password(run, data, codes):
    result = run(data / "auth0-import.json")
    assert result.recognised.format == "auth0"
    assert (result.done, codes(result)) == (14, [(15, "hash_unknown"), (16, "hash_cost")])
    for user in User.objects.all():
        assert verify_password(SECRET, user.password), user.external_id
        assert not verify_password("wrong", user.password), user.external_id


def test_a_user_of_auth0_is_read_with_all_that_has_a_place_here(run, data, person):
    result = run(data / "auth0-import.json")
    ann = person("bcrypt")
    assert (ann.username, ann.email, ann.phone, ann.first_name, ann.last_name) == (
        "ann", "bcrypt@example.org", "+4930123456", "Ann", "Lee"
    )  # fmt: skip
    assert ann.attributes == {
        "name": "Ann Lee", "nickname": "annie", "picture": "https://example.org/ann.png", "team": "red"
    }  # fmt: skip
    assert (ann.is_active, ann.email_verified, person("argon2").is_active) == (True, True, False)
    assert counts(result) == (
        {"metadata_not_imported": 1, "phone_verified_not_kept": 1, "second_factor_not_imported": 1},
        {"metadata_not_imported": [1], "phone_verified_not_kept": [1], "second_factor_not_imported": [3]},
    )


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "csv"])
def test_an_export_of_auth0_has_no_hashes_and_says_what_stays_behind(run, data, person, tmp_path, kind):
    path = data / f"auth0-export.{kind.removesuffix('.gz')}"
    if kind.endswith("gz"):
        packed = tmp_path / "export.json.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path = packed
    result = run(path)
    assert (result.recognised.format, result.done, result.failed) == ("auth0", 2, 0)
    ann, bob = person("auth0|65f0c1"), person("google-oauth2|1077")
    assert (ann.email, ann.first_name, ann.email_verified, ann.is_active) == ("ann@example.org", "Ann", True, True)
    assert (bob.email, bob.email_verified, bob.is_active, bob.has_usable_password()) == (
        "bob@example.org", False, False, False
    )  # fmt: skip
    assert result.left_out["federated_identities_not_imported"] == [2]
    assert result.left_out["created_not_kept"] == ([1] if kind == "csv" else [1, 2])
    if kind == "csv":
        assert (ann.attributes, result.left_out["other_fields_not_imported"]) == ({"team": "red"}, [1])
        assert result.recognised.mapping["plan"] is None
    else:
        assert (ann.attributes, bob.attributes) == ({"name": "Ann Lee", "nickname": "ann"}, {})


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_an_export_of_firebase_comes_in_with_the_projects_parameters(run, data, person, firebase_options, codes, kind):
    result = run(data / f"firebase-users.{kind}", options=firebase_options)
    assert (result.recognised.format, result.done, codes(result)) == ("firebase", 3, [(4, "hash_unknown")])
    ann, bob, carl = person("uid1"), person("uid2"), person("uid3")
    assert (ann.email, ann.phone, ann.email_verified, ann.is_active) == ("ann@example.org", "+4930123456", True, True)
    assert ann.attributes == {"displayName": "Ann Lee", "photoUrl": "https://example.org/a.png"}
    assert (bob.email_verified, bob.is_active, carl.phone, carl.has_usable_password()) == (
        False, False, "+4930765432", False
    )  # fmt: skip
    assert verify_password(SECRET, ann.password)
    assert not verify_password(SECRET, bob.password)
    assert verify_password("user1password", bob.password)  # the vector that Firebase published
    assert result.left_out == {
        "created_not_kept": [1, 2, 3],
        "federated_identities_not_imported": [1],
        "history_not_kept": [1],
        "metadata_not_imported": [1],
    }


def test_firebase_without_parameters_is_refused_before_anything_is_done(run, data):
    """Guards: populace/bulk/formats/firebase.py:_check"""
    with pytest.raises(FileRefused, match="give them with --options"):
        run(data / "firebase-users.json")
    assert not User.objects.exists()


@pytest.mark.parametrize("name", ["base64_salt_separator", "rounds", "mem_cost"])
def test_no_parameter_has_a_default(run, data, firebase_options, name):
    """Guards: populace/credentials/vendors.py:_firebase, populace/bulk/formats/recognition.py:recognised (unknown)"""
    rest = {other: value for other, value in firebase_options.items() if other != name}
    for options in (rest, rest | {f"{name}s": firebase_options[name]}):
        with pytest.raises(OptionRefused):
            run(data / "firebase-users.json", options=options)


@pytest.mark.parametrize(
    "wrong", [{"mem_cost": 30}, {"rounds": "many"}, {"base64_signer_key": "?"}, {"algorithm": "BCRYPT"}]
)
def test_parameters_that_nobody_could_check_are_refused(run, data, firebase_options, wrong):
    """Guards: populace/bulk/formats/firebase.py:_check (A49: mem_cost 30)"""
    with pytest.raises(OptionRefused):
        run(data / "firebase-users.json", options=firebase_options | wrong)


def test_firebase_can_come_in_without_its_passwords(run, data, person):
    result = run(data / "firebase-users.json", options={"passwords": "leave"})
    assert (result.done, result.left_out["password_not_imported"]) == (4, [1, 2, 4])
    assert not person("uid1").has_usable_password()


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_a_bad_row_of_firebase_comes_back_once_it_is_mended(run, data, tmp_path, person, firebase_options, kind):
    """Guards: populace/bulk/error_file.py:layout_of"""
    path = tmp_path / "users"
    path.write_bytes((data / f"firebase-users.{kind}").read_bytes())
    errors = run(path, options=firebase_options).errors_file
    errors.write_text(errors.read_text().replace("broken", "A" * 86).replace("!", "AAAA"))
    again = run(errors, options=firebase_options)
    assert (again.done, again.failed, person("uid4").email) == (1, 0, "dora@example.org")


def test_a_bad_row_of_auth0_comes_back_once_it_is_mended(run, data, tmp_path, person):
    """Guards: populace/bulk/error_file.py:layout_of"""
    path = tmp_path / "users"
    path.write_bytes((data / "auth0-import.json").read_bytes())
    errors = run(path).errors_file
    errors.write_text(errors.read_text().replace('"ripemd160"', '"sha1"').replace(str(2**30), "1024"))
    assert (run(errors).done, person("bomb").email) == (2, "bomb@example.org")


def test_the_csv_of_a_cognito_pool_is_read_with_its_escaped_commas(run, data, codes):
    result = run(data / "cognito-users.csv")
    assert (result.recognised.format, result.done, codes(result)) == ("cognito", 2, [(3, "invalid")])
    ann, bob = User.objects.get(username="ann"), User.objects.get(email="bob@example.org")
    assert (ann.first_name, ann.last_name, ann.phone, ann.locale, ann.timezone, ann.email_verified) == (
        "Ann", "Lee", "+4930123456", "de-AT", "Europe/Vienna", True
    )  # fmt: skip
    assert ann.attributes == {"name": "Ann Lee", "address": "Main Street 1, Vienna", "team": "red"}
    assert (bob.username, bob.external_id, bob.email_verified) == ("", "3f1a2b4c-0000-4000-8000-000000000001", False)
    assert result.left_out == {
        "history_not_kept": [1],
        "password_not_imported": [1, 2],
        "phone_verified_not_kept": [1],
        "second_factor_not_imported": [1],
    }
    assert result.recognised.mapping["custom:team"] == "attributes"


def test_a_backslash_of_a_cognito_row_comes_back_as_one(run, tmp_path):
    """Guards: populace/bulk/error_file.py:_csv (escapechar)"""
    path = tmp_path / "users.csv"
    path.write_text("cognito:username,email,custom:path\nann,wrong," + r"C:\\x\, y" + "\n")
    errors = run(path).errors_file
    errors.write_text(errors.read_text().replace("wrong", "ann@example.org"))
    assert run(errors).done == 1
    assert User.objects.get().attributes == {"path": r"C:\x, y"}


def test_users_as_cognito_lists_them_come_in_without_passwords(run, data, person, codes):
    result = run(data / "cognito-users.json")
    assert (result.recognised.format, result.done, codes(result)) == ("cognito", 3, [(4, "invalid")])
    ann, bob, carl = (person(f"5e1c0000-0000-4000-8000-00000000000{number}") for number in (1, 2, 3))
    assert (ann.username, ann.email, ann.email_verified, ann.attributes) == (
        "ann", "ann@example.org", True, {"team": "red"}
    )  # fmt: skip
    assert (bob.username, bob.phone, bob.email_verified, bob.is_active) == ("", "+4930765432", False, False)
    assert (carl.username, carl.email, carl.has_usable_password()) == ("", "carl@example.org", False)
    assert result.left_out == {
        "created_not_kept": [1, 2, 3],
        "federated_identities_not_imported": [3],
        "history_not_kept": [1, 2, 3],
        "password_not_imported": [1, 2],
        "phone_verified_not_kept": [2],
        "second_factor_not_imported": [1],
    }


def test_users_as_okta_lists_them_come_in_without_passwords(run, data, person, codes):
    result = run(data / "okta-users.json")
    assert (result.recognised.format, result.done, codes(result)) == ("okta", 3, [(4, "malformed")])
    ann, bob, carl = person("00u1"), person("00u2"), person("00u3")
    assert (ann.username, ann.email, ann.phone, ann.locale, ann.attributes) == (
        "", "ann@example.org", "+4930123456", "de-AT", {"department": "red"}
    )  # fmt: skip
    assert (bob.username, bob.phone, bob.attributes, bob.is_active) == ("bob", "", {"mobilePhone": "ask Ann"}, False)
    assert (carl.email, carl.attributes, carl.is_active, carl.email_verified) == (
        "carl@example.org", {"login": "carl@corp.example.org"}, True, True
    )  # fmt: skip
    assert result.left_out == {
        "created_not_kept": [1, 2, 3],
        "federated_identities_not_imported": [3],
        "history_not_kept": [1, 2, 3],
        "password_not_imported": [1, 2],
        "recovery_question_not_imported": [1],
    }


def test_pages_of_okta_behind_each_other_are_one_list(run, data):
    path = data / "okta-users.json"
    other = (
        path.read_text()
        .replace("00u", "00v")
        .replace("@example", "@other.example")
        .replace('"bob"', '"rob"')
        .replace("123456", "123457")
    )
    path.write_text(path.read_text() + other)
    assert run(path).done == 6


@pytest.mark.django_db(transaction=True)  # a password is hashed meanwhile: no transaction may be open
def test_every_kind_of_hash_that_okta_imports_takes_the_right_password(run, data, codes):
    result = run(data / "okta-import.json")
    assert (result.recognised.format, result.done) == ("okta", 8)
    assert codes(result) == [(9, "hash_unknown"), (10, "hash_cost")]
    for user in User.objects.all():
        assert verify_password(SECRET, user.password), user.email
        assert not verify_password("wrong", user.password), user.email


@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_a_dump_of_django_comes_in_with_its_groups_and_verified_addresses(run, data, person, codes, kind):
    path = data / "django-dump.json"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(one) + "\n" for one in json.loads(path.read_text())))
    result = run(path)
    assert (result.recognised.format, result.done, codes(result)) == ("django", 8, [(9, "hash_unknown")])
    ann, bob, nobody = person("1"), person("2"), person("9")
    assert (ann.username, ann.email, ann.first_name, ann.email_verified, ann.is_active) == (
        "ann", "Ann@example.org", "Ann", True, True
    )  # fmt: skip
    for user in (ann, person("3")):  # by key, by natural key
        assert [one.group.name for one in user.memberships.all()] == ["editors"]
    assert (bob.username, bob.email, bob.email_verified, bob.is_active) == ("", "bob@example.org", False, False)
    assert not nobody.has_usable_password()
    for user in User.objects.exclude(id=nobody.id):
        assert verify_password(SECRET, user.password), user.username
        assert not verify_password("wrong", user.password), user.username
    assert result.left_out == {
        "created_not_kept": list(range(1, 9)),
        "federated_identities_not_imported": [3],
        "history_not_kept": [1],
        "rights_not_imported": [1],
        "second_factor_not_imported": [3],
    }


def test_a49_staff_and_superusers_of_a_dump_get_no_right_here(run, data):
    """Guards: populace/bulk/formats/django_dump.py:LEFT_OUT"""
    assert run(data / "django-dump.json").left_out["rights_not_imported"] == [1]
    assert not RoleAssignment.objects.exists()
    assert not GroupRole.objects.exists()


def test_a_bad_row_of_a_dump_comes_back_with_its_groups_and_its_address(run, data, person):
    """Guards: populace/bulk/formats/django_dump.py:_row (sent)"""
    errors = run(data / "django-dump.json").errors_file
    errors.write_text(errors.read_text().replace("whirl$1$2$3", ""))
    assert run(errors).done == 1
    user = person("10")
    assert (user.email, user.email_verified) == ("unheard@example.org", True)
    assert [one.group.name for one in user.memberships.all()] == ["editors"]


def test_a_users_own_model_brings_its_fields_as_attributes(run, tmp_path, person):
    fields = {
        "password": "",
        "last_login": None,
        "email": "ann@example.org",
        "is_active": True,
        "team": "red",
        "age": 3,
    }
    path = tmp_path / "dump.json"
    path.write_text(json.dumps([{"model": "people.member", "pk": "5e1c", "fields": fields}]))
    assert run(path).done == 1
    assert (person("5e1c").email, person("5e1c").attributes) == ("ann@example.org", {"team": "red", "age": 3})


def test_every_kind_of_hash_in_clerks_export_takes_the_right_password(run, data, person, codes):
    result = run(data / "clerk-users.csv")
    assert (result.recognised.format, result.done) == ("clerk", 16)
    assert codes(result) == [(17, "hash_unknown"), (18, "hash_unknown")]
    without = [person("user_none"), person("user_cognito")]
    assert not [user for user in without if user.has_usable_password()]
    for user in User.objects.exclude(id__in=[user.id for user in without]):
        assert verify_password(SECRET, user.password), user.external_id
        assert not verify_password("wrong", user.password), user.external_id


def test_a_user_of_clerk_is_read_with_all_that_has_a_place_here(run, data, person):
    result = run(data / "clerk-users.csv")
    ann = person("user_bcrypt")
    assert (ann.username, ann.email, ann.phone, ann.first_name, ann.email_verified) == (
        "ann", "bcrypt@example.org", "+4930123456", "Ann", True
    )  # fmt: skip
    assert (person("user_argon2id").email_verified, person("user_md5").email_verified) == (False, True)
    assert result.left_out == {
        "further_addresses_not_imported": [3],
        "password_not_imported": [16],
        "second_factor_not_imported": [1],
    }


MENDED = {
    "cognito-users.csv": ("not-an-address", "carl@example.org"),
    "cognito-users.json": ("no address", "dora@example.org"),
    "okta-users.json": ('"GONE"', '"ACTIVE"'),
    "okta-import.json": ("SHA-3", "MD5"),
    "clerk-users.csv": ("x,rot13", ","),
}


@pytest.mark.parametrize("name", MENDED)
def test_the_error_file_is_of_the_formats_own_shape(run, data, name):
    """Guards: populace/bulk/error_file.py:layout_of"""
    first = run(data / name)
    assert first.failed
    before, after = MENDED[name]
    text = first.errors_file.read_text().replace(before, after).replace('"AAAA"', '"AAAAAAAAAAAAAAAAAAAAAA=="')
    first.errors_file.write_text(text)
    again = run(first.errors_file)
    assert (again.recognised.format, again.done) == (first.recognised.format, 1)
