"""Hashes that come with a file: taken as they are, or told as bad rows; fast digests are wrapped by a task later."""

import json
from base64 import b64encode
from hashlib import pbkdf2_hmac

import pytest

from populace.credentials.hashing import verify_password
from populace.credentials.tasks import wrap_digests
from populace.infra.tasks.models import TaskRow
from populace.users.models import User
from tests.support.imports import numbers

pytestmark = pytest.mark.django_db


def test_every_hash_of_the_kratos_sample_takes_the_right_password_and_no_other(run, identities):
    assert numbers(run(identities)) == {"done": 9, "skipped": 0, "failed": 0}
    for user in User.objects.all():
        kind = user.email.removeprefix("import-").partition("@")[0]
        right = "test123" if kind.startswith("ssha") else "123456"
        assert verify_password(right, user.password), kind
        assert not verify_password("wrong", user.password), kind


@pytest.mark.django_db(transaction=True)  # a password is hashed meanwhile: no transaction may be open
def test_an_import_that_brings_fast_digests_leaves_a_task_that_wraps_them(run, identities, realm):
    tasks = TaskRow.objects.filter(name=wrap_digests.module_path)
    run(realm)
    assert not tasks.exists()
    run(identities, dry_run=True)
    assert not tasks.exists()
    run(identities)
    run(identities)
    assert tasks.count() == 1


def keycloak_credential(password: str) -> dict:
    key = pbkdf2_hmac("sha256", password.encode(), b"salt" * 4, 1000, 32)
    secret = {"value": b64encode(key).decode(), "salt": b64encode(b"salt" * 4).decode(), "additionalParameters": {}}
    data = {"hashIterations": 1000, "algorithm": "pbkdf2-sha256", "additionalParameters": {}}
    return {"type": "password", "secretData": json.dumps(secret), "credentialData": json.dumps(data)}


def test_a_hash_of_keycloak_takes_the_right_password(run, tmp_path):
    users = [{"username": "ann", "credentials": [keycloak_credential("open sesame")]}]
    (tmp_path / "realm").write_text(json.dumps({"users": users}))
    assert run(tmp_path / "realm").done == 1
    user = User.objects.get()
    assert verify_password("open sesame", user.password)
    assert not verify_password("wrong", user.password)


BOMBS = {
    "$argon2id$v=19$m=4194304,t=3,p=1$c2FsdHNhbHRzYWx0$" + "A" * 43: "hash_cost",
    "$pbkdf2-sha256$i=1000000000$c2FsdHNhbHRzYWx0$" + "A" * 43: "hash_cost",
    "$scrypt$ln=30,r=8,p=1$c2FsdHNhbHRzYWx0$" + "A" * 43: "hash_cost",
    "$unheard-of$c2FsdA$AAAA": "hash_unknown",
    "123456": "hash_unknown",
}


@pytest.mark.parametrize("dry_run", [True, False])
def test_a49_unknown_hashes_and_cost_bombs_are_bad_rows(import_text, dry_run):
    """Guard: populace/bulk/formats/fields.py:stored_hash (populace/credentials/foreign.py:adopted)."""
    rows = "".join(f'u{number},"{raw}"\n' for number, raw in enumerate(BOMBS))
    result = import_text(f"username,password_hash\n{rows}last,\n", dry_run=dry_run)
    assert [code for _, code, _ in result.errors] == list(BOMBS.values())
    assert not [raw for raw in BOMBS if raw in repr(result.errors)]
    assert result.done == 1


def test_a_hash_of_keycloak_that_nobody_checks_is_a_bad_row(run, tmp_path, codes):
    user = {"username": "ann", "credentials": [{"type": "password", "secretData": "{}", "credentialData": "{}"}]}
    (tmp_path / "realm").write_text(json.dumps({"users": [user]}))
    assert codes(run(tmp_path / "realm")) == [(1, "hash_unknown")]
