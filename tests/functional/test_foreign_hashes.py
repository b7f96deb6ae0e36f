"""Passwords hashed by other systems: taken as they are written there, right with the right password alone."""

import base64
import hashlib
import hmac
import json
from pathlib import Path

import argon2
import bcrypt
import pytest
from django.contrib.auth import hashers as django_hashers
from django.contrib.auth.hashers import identify_hasher
from passlib.crypto.digest import lookup_hash
from passlib.hash import sha512_crypt

from populace.credentials.derived_hashers import ScryptHasher
from populace.credentials.fast_hashers import is_bare
from populace.credentials.foreign import adopted
from populace.credentials.hashing import LONGEST_HASH, is_known_hash, sealed, verify_password
from populace.credentials.vendors import from_auth0, from_clerk, from_firebase, from_keycloak, from_okta
from populace.users.errors import Invalid

DATA = Path(__file__).parents[1] / "data"
SECRET = "correct horse"
MD4 = lookup_hash("md4").const
SALT = b"\x00\xff salt \xfe"


def b64(data):
    return base64.b64encode(data).decode()


def digest(name, data):
    return hashlib.new(name, data).digest()


def kratos():
    """Yield (password, hash) of each identity of the file."""
    for line in (DATA / "kratos-identities.jsonl").read_text().splitlines():
        encoded = json.loads(line)["credentials"]["password"]["config"]["hashed_password"]
        yield "test123" if encoded.startswith("{SSHA") else "123456", encoded


PUBLISHED = {
    "bcrypt 2a (crypt_blowfish)": ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    "bcrypt 2x (crypt_blowfish)": ("U*U", "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    "bcrypt 2y": ("U*U", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    "bcrypt 2b, rubbish in the last bits": ("U*U", "$2b$05$CCCCCCCCCCCCCCCCCCCCC/E5YPO9kmyuRGyh0XouQYb4YMJKvyOeX"),
    "pbkdf2 sha1 (RFC 6070)": (
        "password",
        f"$pbkdf2$4096${b64(b'salt')}${b64(bytes.fromhex('4b007901b765489abead49d926f721d065a429c1'))}",
    ),
    "scrypt (RFC 7914 section 12)": (
        "password",
        "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA",
    ),
    "firescrypt (Firebase)": (
        "user1password",
        "$firescrypt$ln=14,r=8,p=1$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198"
        "JAdRuid5lQ==$Bw==$jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
    ),
    "hmac-sha256 (RFC 4231 section 4.3)": (
        "what do ya want for nothing?",
        f"$hmac-sha256${b64(b'5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843')}${b64(b'Jefe')}",
    ),
    "hmac-md5 (RFC 2202 section 2)": (
        "what do ya want for nothing?",
        f"$hmac-md5${b64(b'750c783e6ab0b503eaa86e310a5db738')}${b64(b'Jefe')}",
    ),
    "md4 (RFC 1320 section A.5)": ("abc", f"$md4${b64(bytes.fromhex('a448017aaf21d8525fc10ae87aa6729d'))}"),
    "md4 of UTF-16 (NTLM's best known)": (
        "password",
        f"fast$md4-utf16le$$${b64(bytes.fromhex('8846f7eaee8fb117ad06bdd830b7586c')).rstrip('=')}",
    ),
    "md5-crypt (openssl passwd -1)": ("Hello world!", "$1$saltstrg$LPPSnYl8pzejZe..UVkco1"),
    "md5-crypt (Kratos)": ("Hello world!", "$md5-crypt$saltstrg$LPPSnYl8pzejZe..UVkco1"),
    "sha256-crypt (openssl passwd -5)": ("Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
    "sha256-crypt (Kratos)": (
        "Hello world!",
        "$sha256-crypt$rounds=5000$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
    ),
    "sha512-crypt (openssl passwd -6)": (
        "Hello world!",
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
    ),
}

MADE = {
    "argon2i": argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, type=argon2.Type.I).hash(SECRET),
    "pbkdf2-sha512 (Auth0, cost left out)": "$pbkdf2-sha512${}${}".format(
        b64(SALT).rstrip("="), b64(hashlib.pbkdf2_hmac("sha512", SECRET.encode(), SALT, 100_000)).rstrip("=")
    ),
    "md5, salt before": f"$md5$pf={b64(b'{SALT}{PASSWORD}')}${b64(SALT)}${b64(digest('md5', SALT + SECRET.encode()))}",
    "sha512, salt around": "$sha512$pf={}${}${}".format(
        b64(b"<{SALT}>{PASSWORD}<{SALT}>"),
        b64(SALT),
        b64(digest("sha512", b"<" + SALT + b">" + SECRET.encode() + b"<" + SALT + b">")),
    ),
    "md4": f"$md4${b64(MD4(SECRET.encode()).digest())}",
    "md4, salt behind": f"$md4$pf={b64(b'{PASSWORD}{SALT}')}${b64(SALT)}${b64(MD4(SECRET.encode() + SALT).digest())}",
    "{CRYPT}": "{CRYPT}" + sha512_crypt.using(rounds=1000).hash(SECRET),
    "{SHA}": "{SHA}" + b64(digest("sha1", SECRET.encode())),
    "{MD5}": "{md5}" + b64(digest("md5", SECRET.encode())),
    "{SMD5}": "{SMD5}" + b64(digest("md5", SECRET.encode() + SALT) + SALT),
    "{SSHA384}": "{SSHA384}" + b64(digest("sha384", SECRET.encode() + SALT) + SALT),
    "{SSHA-256}": "{SSHA-256}" + b64(digest("sha256", SECRET.encode() + SALT) + SALT),
    "hmac-sha512": "$hmac-sha512${}${}".format(
        b64(hmac.new(SALT, SECRET.encode(), "sha512").hexdigest().encode()), b64(SALT)
    ),
    "Django pbkdf2": django_hashers.PBKDF2PasswordHasher().encode(SECRET, "somesalt", 2000),
    "Django pbkdf2_sha1": django_hashers.PBKDF2SHA1PasswordHasher().encode(SECRET, "somesalt", 2000),
    "Django scrypt": django_hashers.ScryptPasswordHasher().encode(SECRET, "somesalt", n=1024),
    "Django argon2": "argon2" + argon2.PasswordHasher(memory_cost=1024).hash(SECRET),
    "Django md5": django_hashers.MD5PasswordHasher().encode(SECRET, "somesalt"),
    "Django bcrypt": "bcrypt$" + bcrypt.hashpw(SECRET.encode(), bcrypt.gensalt(4)).decode(),
    "Django bcrypt_sha256": "bcrypt_sha256$"
    + bcrypt.hashpw(hashlib.sha256(SECRET.encode()).hexdigest().encode(), bcrypt.gensalt(4)).decode(),
}

SAMPLES = [
    *(pytest.param(*each, id=f"Kratos {each[1][:14]}") for each in kratos()),
    *(pytest.param(*each, id=name) for name, each in PUBLISHED.items()),
    *(pytest.param(SECRET, encoded, id=name) for name, encoded in MADE.items()),
]


@pytest.mark.parametrize(("password", "encoded"), SAMPLES)
def test_the_password_alone_is_right(password, encoded):
    stored = adopted(encoded)
    assert len(stored) <= LONGEST_HASH
    assert verify_password(password, stored)
    for wrong in (password + "x", ""):
        assert not verify_password(wrong, stored)


@pytest.mark.parametrize(("password", "encoded"), SAMPLES)
def test_what_is_stored_is_taken_again_as_it_is(password, encoded):
    stored = adopted(encoded)
    assert adopted(stored) == stored
    assert adopted(sealed(stored)).partition("$")[0] == sealed(stored).partition("$")[0]


@pytest.mark.parametrize(("password", "encoded"), SAMPLES)
def test_every_hash_but_ours_is_due_for_a_new_one(password, encoded):
    hasher = identify_hasher(adopted(encoded))
    assert hasher.must_update(adopted(encoded))
    assert hasher.decode(adopted(encoded))["algorithm"] == hasher.algorithm
    assert set(hasher.safe_summary(adopted(encoded)).values()).isdisjoint({SALT, encoded})


FAST = [each for each in SAMPLES if is_bare(adopted(each.values[1]))]


def test_digests_are_bare_and_derived_keys_are_not():
    kinds = {each.id for each in SAMPLES} - {each.id for each in FAST}
    assert {kind.split()[0].removeprefix("Kratos").partition("-")[0] for kind in kinds} == {
        "argon2i", "bcrypt", "pbkdf2", "scrypt", "firescrypt", "Django", ""
    }  # fmt: skip
    assert len(FAST) == 26


@pytest.mark.parametrize(("password", "encoded"), FAST)
def test_a_wrapped_digest_is_right_with_the_same_password(password, encoded):
    bare = adopted(encoded)
    stored = sealed(bare)
    assert stored.startswith("argon2_wrapped$")
    assert len(stored) <= LONGEST_HASH
    assert bare.rpartition("$")[2] not in stored
    assert sealed(bare) != stored  # another salt
    assert verify_password(password, stored)
    assert not verify_password(password + "x", stored)
    assert sealed(stored) == stored


def keycloak(algorithm, value, passes, **more):
    credential = {"algorithm": algorithm, "hashIterations": passes, "additionalParameters": more}
    return {"value": b64(value), "salt": b64(SALT), "additionalParameters": {}}, credential


@pytest.mark.parametrize(
    ("algorithm", "name"), [("pbkdf2", "sha1"), ("pbkdf2-sha256", "sha256"), ("pbkdf2-sha512", "sha512")]
)
def test_a_password_of_keycloak_is_known(algorithm, name):
    key = hashlib.pbkdf2_hmac(name, SECRET.encode(), SALT, 27_500, 64)
    stored = adopted(from_keycloak(*keycloak(algorithm, key, 27_500)))
    assert verify_password(SECRET, stored)
    assert not verify_password("wrong", stored)


def test_a_password_of_keycloaks_argon2_is_known():
    key = argon2.low_level.hash_secret_raw(SECRET.encode(), SALT, 5, 7168, 1, 32, argon2.Type.ID)
    more = {"type": ["id"], "version": ["1.3"], "memory": ["7168"], "parallelism": ["1"], "hashLength": ["32"]}
    stored = adopted(from_keycloak(*keycloak("argon2", key, 5, **more)))
    assert verify_password(SECRET, stored)
    assert not verify_password("wrong", stored)


@pytest.mark.parametrize(
    ("secret", "credential"),
    [
        ({}, {}),
        ({"value": "A" * 44, "salt": None}, {"algorithm": "pbkdf2", "hashIterations": 1}),
        ([], []),
        ({"value": "eA==", "salt": "eA=="}, {"algorithm": "pbkdf2-md4", "hashIterations": 1}),
        ({"value": "eA==", "salt": "eA=="}, {"algorithm": "pbkdf2", "hashIterations": None}),
        ({"value": "eA==", "salt": "eA=="}, {"algorithm": "argon2", "hashIterations": 1, "additionalParameters": []}),
        ({"value": "eA==", "salt": "eA=="}, {"algorithm": ["argon2"], "hashIterations": 1}),
    ],
)
def test_a_credential_of_keycloak_that_is_none_is_told(secret, credential):
    with pytest.raises(Invalid) as told:
        from_keycloak(secret, credential)
    assert (told.value.code, told.value.field) == ("hash_unknown", "password_hash")


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "!",
        "fast$",
        "$2a$10$short",
        "$2c$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2a$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$md2$4QrcOUm6Wau+VuBX8g+IPg==",
        "$md5$4QrcOUm6Wau+VuBX8g+I",  # two bytes too short
        "$md5$not base64!",
        "$sha256$pf=e1NBTFR9$MTIz$4QrcOUm6Wau+VuBX8g+IPg==",  # the template has no password
        "{SSHA}" + b64(bytes(20)),  # no salt
        "{SHA}" + b64(bytes(24)),
        "$pbkdf2-sha256$i=1000$c2FsdA$c2hvcnQ",  # a key that many passwords have
        "$pbkdf2-sha256$l=32$c2FsdA$5xQQKNTyeTHx2Ld5/JDE7A",
        "$scrypt$ln=1000,r=8,p=1$c2FsdA$5xQQKNTyeTHx2Ld5/JDE7A",  # no power of two
        "$scrypt$ln=16,r=1,p=1$c2FsdA$5xQQKNTyeTHx2Ld5/JDE7A",  # RFC 7914 section 6
        "$scrypt$ln=14,r=8,p=1$c2FsdA$5xQQKNTyeTHx2Ld5/JDE7A$$Bw",
        "$firescrypt$ln=14,r=8,p=1$c2FsdA$5xQQKNTyeTHx2Ld5/JDE7A",
        "$hmac-sha256$bm90IGhleA==$a2V5",
        "$5$rounds=10$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        "$1$longersalt$LPPSnYl8pzejZe..UVkco1",
        "$6$saltstring$tooshort",
        "$argon2d$v=19$m=16,t=2,p=1$bVI1aE1SaTV6SGQ3bzdXdw$fnjCcZYmEPOUOjYXsT92Cg",
        "argon2_wrapped$md5$$$argon2id$v=19$m=16$c2FsdA$aGFzaA",
        "argon2_wrapped$argon2id$v=19",
        "$hmac-sha256$" + b64(bytes(32).hex().encode()) + "$" + "a2V5" * 100,  # wrapped, it would not fit
        "$md5$" + "A" * 100_000,
        "x$" * 50_000,
        "päss",
    ],
)  # fmt: skip
def test_what_nobody_could_check_is_unknown(encoded):
    """Guard: populace/credentials/foreign.py:adopted, and each hasher's check."""
    with pytest.raises(Invalid) as told:
        adopted(encoded)
    assert told.value.code == "hash_unknown"
    assert not encoded or encoded not in told.value.detail


def test_bcrypt_reads_72_bytes_of_an_imported_password():
    """Guard: populace/credentials/hashers.py:BcryptHasher.secret."""
    stored = adopted(bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode())
    assert verify_password("x" * 72, stored)
    assert verify_password("x" * 100, stored)
    assert verify_password("é" * 36 + "more", adopted(bcrypt.hashpw("é".encode() * 36, bcrypt.gensalt(4)).decode()))
    assert not verify_password("x" * 71, stored)


@pytest.mark.parametrize(("_password", "encoded"), SAMPLES)
def test_no_password_makes_a_check_fail(_password, encoded):
    """Guards: populace/credentials/digests.py:_crypt, hashing.py:verify_password."""
    for password in ("a\0b", "\ud800", "é" * 256):
        assert not verify_password(password, adopted(encoded))


def test_no_hash_is_made_by_a_foreign_hasher():
    with pytest.raises(NotImplementedError):
        ScryptHasher().encode("x", "y")


@pytest.mark.django_db
def test_the_api_takes_them_from_an_owner_and_leaves_no_digest_bare(client, make_user):
    """Guard: populace/users/api.py:_encoded."""
    from populace.users.models import User

    person = make_user()["id"]
    for password, encoded in kratos():
        response = client.post(f"/api/v1/users/{person}/password", {"password_hash": encoded})
        assert response.status_code == 200
        stored = User.objects.get(id=person).password
        assert not is_bare(stored)
        assert verify_password(password, stored)
    made = client.post("/api/v1/users", {"email": "md5@example.com", "password_hash": encoded}).json()["id"]
    assert verify_password(password, User.objects.get(id=made).password)


@pytest.mark.django_db
def test_a_hash_that_is_refused_is_told_with_all_other_faults(client):
    """Guard: populace/users/api.py:_check_secrets."""
    response = client.post("/api/v1/users", {"email": "wrong", "password_hash": "$md4$x"})
    told = {(fault["pointer"], fault["code"]) for fault in response.json()["errors"]}
    assert told == {("/email", "invalid"), ("/password_hash", "hash_unknown")}


def test_stored_hashes_that_are_broken_are_known_by_nobody():
    for broken in ("fast$md5$$$", "fast$md5$x", "argon2_wrapped$", "pbkdf2$sha256$1$c2FsdA$", "bcrypt$", "scrypt$ln=1"):
        assert not is_known_hash(broken)


NOBODYS = {
    "Auth0, no algorithm": lambda: from_auth0({}),
    "Auth0, no text": lambda: from_auth0({"algorithm": "md5", "hash": {"value": 3}}),
    "Auth0, no hexadecimal": lambda: from_auth0({"algorithm": "md5", "hash": {"value": "xx", "encoding": "hex"}}),
    "Auth0, no position": lambda: from_auth0(
        {"algorithm": "md5", "hash": "00" * 16, "salt": {"value": "s", "position": "middle"}}
    ),
    "Auth0, another text": lambda: from_auth0(
        {"algorithm": "md5", "hash": "00" * 16, "password": {"encoding": "latin1"}}
    ),
    "Auth0, a list": lambda: from_auth0(["md5"]),
    "Auth0, N no power of two": lambda: from_auth0(
        {"algorithm": "scrypt", "hash": "00" * 64, "salt": {"value": "s"}, "cost": 1000}
    ),
    "Okta, another digest": lambda: from_okta({"algorithm": "PBKDF2", "value": "AAAA", "digestAlgorithm": "MD5"}),
    "Okta, another order": lambda: from_okta({"algorithm": "MD5", "value": "AAAA", "saltOrder": "MIDDLE"}),
    "Okta, nothing": lambda: from_okta({}),
    "Firebase, no signer key": lambda: from_firebase("AAAA", "AAAA", {}),
    "Firebase, no text": lambda: from_firebase(None, None, {"base64_signer_key": "AAAA"}),
    "Clerk, unheard of": lambda: from_clerk("rot13", "x"),
    "Clerk, too few parts": lambda: from_clerk("scrypt_firebase", "a$b"),
    "Clerk, another method": lambda: from_clerk("scrypt_werkzeug", "pbkdf2:1:1:1$salt$00"),
}


@pytest.mark.parametrize("read", NOBODYS.values(), ids=NOBODYS)
def test_a_credential_of_another_system_that_nobody_checks_is_unknown(read):
    """Guard: populace/credentials/vendors.py:_or_unknown, _log2."""
    with pytest.raises(Invalid) as told:
        adopted(read())
    assert told.value.code == "hash_unknown"


def test_hmac_with_md4_is_unknown():
    """Guard: populace/credentials/digests.py:recipe_of (OpenSSL 3 has no MD4)."""
    with pytest.raises(Invalid):
        adopted(f"fast$hmac-md4$a2V5$${b64(bytes(16)).rstrip('=')}")
