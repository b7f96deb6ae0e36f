"""Hashers of key derivations that are slow by design and stay as they came: PBKDF2, scrypt and Firebase's scrypt."""

import hashlib
import re
from hmac import compare_digest
from typing import Any, NamedTuple

from populace.credentials.encoding import unpacked
from populace.credentials.errors import HashTooCostly, HashUnknown
from populace.credentials.hashers import Foreign

_b64 = "[A-Za-z0-9+/]"
_pbkdf2 = re.compile(
    rf"pbkdf2\$(sha1|sha224|sha256|sha384|sha512)\$([1-9]\d{{0,11}})\$({_b64}+)\$({_b64}+)", re.ASCII
).fullmatch
_scrypt = re.compile(
    rf"(?:fire)?scrypt\$ln=(\d{{1,2}}),r=([1-9]\d{{0,8}}),p=([1-9]\d{{0,8}})\$({_b64}+)\$({_b64}+)"
    rf"(?:\$({_b64}*)\$({_b64}+))?",
    re.ASCII,
).fullmatch

SHORTEST, LONGEST = 16, 128  # bytes of a derived key: less would be guessed, more is nowhere written
PBKDF2_WORK = {"sha1": 1_600_000, "sha224": 1_600_000, "sha256": 1_600_000, "sha384": 900_000, "sha512": 900_000}
"""Iterations times blocks, by digest; Django 6.1 makes 1,500,000 of SHA-256."""
SCRYPT_WORK = 1 << 20  # N times r times p; 128 bytes of memory for each N times r
SCRYPT_BLOCKS = 4096  # r times p; each is 128 bytes that PBKDF2 makes before and reads after


class Pbkdf2(NamedTuple):
    """`pbkdf2$DIGEST$ITERATIONS$SALT$KEY`, taken apart (RFC 8018 section 5.2)."""

    digest: str
    iterations: int
    salt: bytes
    key: bytes


class Pbkdf2Hasher(Foreign):
    """PBKDF2 with a salt of bytes (Django's own takes text alone); as many bytes are derived as the hash has."""

    algorithm = "pbkdf2"

    def check(self, encoded: str) -> None:
        """Raise HashUnknown, HashTooCostly: see Checked."""
        parts = self._parts(encoded)
        _check_key(parts.key)
        blocks = -(-len(parts.key) // hashlib.new(parts.digest).digest_size)
        if parts.iterations * blocks > PBKDF2_WORK[parts.digest]:
            raise HashTooCostly

    def verify(self, password: str, encoded: str) -> bool:
        """Tell whether `password` is what was hashed."""
        digest, iterations, salt, key = self._parts(encoded)
        return compare_digest(hashlib.pbkdf2_hmac(digest, password.encode(), salt, iterations, len(key)), key)

    def decode(self, encoded: str) -> dict[str, Any]:
        """Return digest, iterations, salt and key."""
        return super().decode(encoded) | self._parts(encoded)._asdict()

    def _parts(self, encoded: str) -> Pbkdf2:
        if not (found := _pbkdf2(encoded)):
            raise HashUnknown
        return Pbkdf2(found[1], int(found[2]), unpacked(found[3]), unpacked(found[4]))


class Scrypt(NamedTuple):
    """`scrypt$ln=LOG2N,r=R,p=P$SALT$KEY`, taken apart (RFC 7914); Firebase adds separator and signer key."""

    log2n: int
    r: int
    p: int
    salt: bytes
    key: bytes
    separator: bytes
    signer: bytes


class ScryptHasher(Foreign):
    """scrypt with a salt of bytes; as many bytes are derived as the hash has."""

    algorithm = "scrypt"

    def check(self, encoded: str) -> None:
        """Raise HashUnknown, HashTooCostly: see Checked."""
        parts = self.parts(encoded)
        _check_key(parts.key)
        if (parts.signer != b"") != (self.algorithm == "firescrypt"):
            raise HashUnknown
        # RFC 7914 section 6: N is more than 1 and less than 2^(128 r / 8).
        if not 1 <= parts.log2n < 16 * parts.r:
            raise HashUnknown
        blocks = parts.r * parts.p
        if blocks > SCRYPT_BLOCKS or parts.log2n > 20 or blocks << parts.log2n > SCRYPT_WORK:
            raise HashTooCostly

    def verify(self, password: str, encoded: str) -> bool:
        """Tell whether `password` is what was hashed."""
        parts = self.parts(encoded)
        return compare_digest(_scrypt_key(password, parts, len(parts.key)), parts.key)

    def decode(self, encoded: str) -> dict[str, Any]:
        """Return cost, salt and key."""
        return super().decode(encoded) | self.parts(encoded)._asdict()

    def parts(self, encoded: str) -> Scrypt:
        """Take a hash apart; raises HashUnknown."""
        if not encoded.startswith(f"{self.algorithm}$") or not (found := _scrypt(encoded)):
            raise HashUnknown
        log2n, r, p = (int(number) for number in found.groups()[:3])
        return Scrypt(log2n, r, p, *(unpacked(text or "") for text in found.groups()[3:]))


class FirescryptHasher(ScryptHasher):
    """Firebase's scrypt: the derived key encrypts the project's signer key, and what comes out is the hash."""

    algorithm = "firescrypt"

    def verify(self, password: str, encoded: str) -> bool:
        """Tell whether `password` is what was hashed: AES-256 in counter mode from zero."""
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # most installations need none

        parts = self.parts(encoded)
        key = _scrypt_key(password, parts._replace(salt=parts.salt + parts.separator), 32)
        encryptor = Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor()
        return compare_digest(encryptor.update(parts.signer), parts.key)


def _scrypt_key(password: str, parts: Scrypt, size: int) -> bytes:
    memory = 128 * parts.r * ((1 << parts.log2n) + parts.p + 2)  # what OpenSSL counts
    return hashlib.scrypt(
        password.encode(), salt=parts.salt, n=1 << parts.log2n, r=parts.r, p=parts.p, dklen=size, maxmem=memory + 1024
    )


def _check_key(key: bytes) -> None:
    if not SHORTEST <= len(key) <= LONGEST:
        raise HashUnknown
