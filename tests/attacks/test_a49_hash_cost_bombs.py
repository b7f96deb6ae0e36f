"""A49, the part about hashes: whoever hands one over chose its cost; a later sign-in may not pay more than a second."""

import base64
import subprocess
import sys
import time
import tracemalloc

import pytest

from populace.credentials.foreign import adopted
from populace.credentials.hashing import verify_password
from populace.credentials.vendors import from_auth0, from_clerk, from_firebase, from_keycloak, from_okta
from populace.users.errors import Invalid
from populace.users.models import User

KEY = "A" * 43  # 32 bytes
BOMBS = {
    "argon2 of 4 GiB": f"$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ${KEY}",
    "argon2 of a million passes": f"$argon2id$v=19$m=19456,t=1000000,p=1$c2FsdHNhbHQ${KEY}",
    "argon2 of 256 MiB, 3 passes": f"$argon2i$v=19$m=262144,t=3,p=1$c2FsdHNhbHQ${KEY}",
    "argon2 of 200 lanes": f"argon2$argon2id$v=19$m=19456,t=2,p=200$c2FsdHNhbHQ${KEY}",
    "pbkdf2 of 10^9": f"$pbkdf2-sha256$i=1000000000,l=32$c2FsdA${KEY}",
    "pbkdf2 of many blocks": f"$pbkdf2-sha1$i=1000000$c2FsdA${'A' * 84}",
    "pbkdf2, Django's": f"pbkdf2_sha256$1000000000$salt${KEY}",
    "scrypt N 2^30": f"$scrypt$ln=30,r=8,p=1$c2FsdA${KEY}",
    "scrypt N 2^30, as Kratos writes it": f"$scrypt$ln=1073741824,r=8,p=1$c2FsdA${KEY}",
    "scrypt, wide blocks": f"$scrypt$ln=1,r=100000000,p=1$c2FsdA${KEY}",
    "scrypt, many wide blocks": f"$scrypt$ln=1,r=32768,p=16$c2FsdA${KEY}",
    "scrypt, many lanes": f"$scrypt$ln=10,r=8,p=99999$c2FsdA${KEY}",
    "scrypt, Django's": f"scrypt$1073741824$salt$8$1${KEY}",
    "firescrypt 2^30": f"$firescrypt$ln=30,r=8,p=1$c2FsdA${KEY}$Bw${KEY}",
    "bcrypt 2^14": "$2b$14$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "bcrypt 2^31": "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "sha512-crypt of 999,999,999 rounds": "$6$rounds=999999999$saltstring$" + "A" * 86,
    "sha256-crypt of 300,001 rounds": "$5$rounds=300001$saltstring$" + "A" * 43,
    "wrapped, 4 GiB": f"argon2_wrapped$md5$$$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ${KEY}",
}

# At the caps, each of another kind.
DEAREST = [
    f"$argon2id$v=19$m=262144,t=2,p=1$c2FsdHNhbHQ${KEY}",
    f"$pbkdf2-sha256$i=1600000$c2FsdA${KEY}",
    f"$pbkdf2-sha512$i=900000$c2FsdA${KEY}",
    f"$scrypt$ln=17,r=8,p=1$c2FsdA${KEY}",
    f"$scrypt$ln=8,r=4096,p=1$c2FsdA${KEY}",
    f"$firescrypt$ln=17,r=8,p=1$c2FsdA${KEY}$Bw${KEY}",
    "$2b$13$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "$6$rounds=300000$saltstring$" + "A" * 86,
]


@pytest.mark.parametrize("encoded", BOMBS.values(), ids=BOMBS)
def test_a49_a_cost_bomb_is_refused_before_anything_is_hashed(encoded):
    """Guard: populace/credentials/hashers.py, derived_hashers.py, digests.py: each `check` (HashTooCostly)."""
    began = time.process_time()
    with pytest.raises(Invalid) as told:
        adopted(encoded)
    assert (told.value.code, told.value.field) == ("hash_cost", "password_hash")
    assert time.process_time() - began < 0.1


def test_a49_a_cost_bomb_of_keycloak_is_refused():
    """Guard: populace/credentials/foreign.py:adopted (check_hash)."""
    for algorithm, passes, more in (
        ("pbkdf2-sha512", 10**9, {}),
        ("argon2", 5, {"type": ["id"], "version": ["1.3"], "memory": ["4194304"], "parallelism": ["1"]}),
    ):
        secret = {"value": KEY + "=", "salt": "c2FsdHNhbHQ="}
        credential = {"algorithm": algorithm, "hashIterations": passes, "additionalParameters": more}
        with pytest.raises(Invalid, match="too much time") as told:
            adopted(from_keycloak(secret, credential))
        assert told.value.code == "hash_cost"


ZEROS = {"value": "00" * 64, "encoding": "hex"}
SIGNER = {"base64_signer_key": KEY, "base64_salt_separator": "Bw==", "rounds": 8}
OKTA = {"algorithm": "PBKDF2", "salt": "c2FsdA==", "value": KEY, "digestAlgorithm": "SHA256_HMAC", "keySize": 32}
FOREIGN = {
    "Auth0's scrypt": lambda: from_auth0({"algorithm": "scrypt", "hash": ZEROS, "salt": {"value": "s"}, "cost": 2**30}),
    "Auth0's blocks": lambda: from_auth0(
        {"algorithm": "scrypt", "hash": ZEROS, "salt": {"value": "s"}, "blockSize": 10**8}
    ),
    "Auth0's pbkdf2": lambda: from_auth0({"algorithm": "pbkdf2", "hash": {"value": BOMBS["pbkdf2 of 10^9"]}}),
    "Auth0's argon2": lambda: from_auth0({"algorithm": "argon2", "hash": {"value": BOMBS["argon2 of 4 GiB"]}}),
    "Okta's pbkdf2": lambda: from_okta(OKTA | {"iterationCount": 10**9}),
    "Okta's bcrypt": lambda: from_okta({"algorithm": "BCRYPT", "workFactor": 31, "salt": "C" * 22, "value": "E" * 31}),
    "Firebase's scrypt": lambda: from_firebase(KEY, "c2FsdA==", SIGNER | {"mem_cost": 30}),
    "Clerk's Firebase": lambda: from_clerk("scrypt_firebase", f"{KEY}$c2FsdA==${KEY}$Bw==$8$30"),
    "Clerk's Werkzeug": lambda: from_clerk("scrypt_werkzeug", f"scrypt:{2**30}:8:1$salt${'00' * 64}"),
    "Clerk's pbkdf2": lambda: from_clerk("pbkdf2_sha512", f"pbkdf2_sha512$1000000000$salt${'00' * 64}"),
}


@pytest.mark.parametrize("read", FOREIGN.values(), ids=FOREIGN)
def test_a49_a_cost_bomb_in_a_credential_of_another_system_is_refused(read):
    """Guard: populace/credentials/foreign.py:adopted (check_hash)."""
    with pytest.raises(Invalid) as told:
        adopted(read())
    assert told.value.code == "hash_cost"


def test_a49_a_template_that_repeats_its_salt_takes_no_memory():
    """Guard: populace/credentials/foreign.py:adopted (LONGEST)."""
    template = base64.b64encode(b"{SALT}" * 2000 + b"{PASSWORD}").decode()
    tracemalloc.start()
    with pytest.raises(Invalid):
        adopted(f"$md5$pf={template}${'A' * 50_000}${KEY}")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.django_db
@pytest.mark.parametrize("encoded", [BOMBS["argon2 of 4 GiB"], BOMBS["pbkdf2 of 10^9"], BOMBS["scrypt N 2^30"]])
def test_a49_by_http_a_cost_bomb_changes_nothing(client, make_user, encoded):
    """Guard: populace/users/api.py:_check_secrets."""
    person = make_user(email="ann@example.com")["id"]
    before = User.objects.count()
    for path, body in (
        ("/api/v1/users", {"email": "bomb@example.com", "password_hash": encoded}),
        (f"/api/v1/users/{person}/password", {"password_hash": encoded}),
    ):
        response = client.post(path, body)
        assert response.status_code == 400
        [fault] = response.json()["errors"]
        assert (fault["pointer"], fault["code"]) == ("/password_hash", "hash_cost")
        assert KEY not in response.text
    assert User.objects.count() == before
    assert User.objects.get(id=person).password == "!"


@pytest.mark.parametrize("encoded", BOMBS.values(), ids=BOMBS)
def test_a49_a_cost_bomb_that_is_stored_all_the_same_is_never_checked(encoded, monkeypatch):
    """Guard: populace/credentials/hashing.py:verify_password (check_hash). It may have come with a restored backup."""
    monkeypatch.setattr("populace.credentials.hashing.check_password", None)
    for stored in (encoded, f"argon2{encoded}", f"bcrypt${encoded}", encoded.removeprefix("$")):
        assert not verify_password("x", stored)


MEASURED = """
import os, resource, sys, time
os.environ["POPULACE_MODE"] = "local"
import django
django.setup()
from populace.credentials.foreign import adopted
from django.contrib.auth.hashers import check_password
stored = [adopted(encoded) for encoded in sys.argv[1:]]
check_password("x" * 256, "argon2$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$" + "A" * 43)
for encoded in stored:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    assert not check_password("x" * 256, encoded)
    print(time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a49_the_dearest_hash_that_is_taken_costs_about_a_second_and_256_mib():
    """Guard: the caps in populace/credentials/hashers.py, derived_hashers.py and digests.py."""
    env = {"DJANGO_SETTINGS_MODULE": "config.settings", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", MEASURED, *DEAREST], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    unit = 1024 if sys.platform == "linux" else 1  # of ru_maxrss
    for line in done.stdout.splitlines():
        seconds, grown = line.split()
        assert float(seconds) < 10, done.stdout  # measured 0.3 to 0.9; a ceiling for a busy machine
        assert int(grown) * unit < 260 << 20, done.stdout
