"""The exports of other systems, by a sample of each: who comes in, with which password, and what is said of the rest.

The samples in tests/data are made after each system's own description of its format.
"""

import gzip

import pytest

from populace.bulk.errors import FileRefused, OptionRefused
from populace.bulk.options import read_options
from populace.credentials.hashing import verify_password
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


@pytest.mark.parametrize("wrong", [{"mem_cost": 30}, {"rounds": "many"}, {"base64_signer_key": "?"}])
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
