"""Password hashers, as Django names them in PASSWORD_HASHERS: the first makes ours, the others check what came along.

Cost caps: the cost of a check stands in the hash, so whoever hands one over chose it. Each hasher refuses what would
take more than 256 MiB or, on one core of 2020, about a second.
"""

import re
from abc import abstractmethod
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NoReturn

from django.contrib.auth.hashers import Argon2PasswordHasher, BasePasswordHasher

from populace.credentials.errors import HashTooCostly, HashUnknown

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

# PHC string of Argon2id or Argon2i with a salt of 8 and a hash of 12 bytes at least (RFC 9106 section 3.1).
_argon2 = re.compile(
    r"argon2\$argon2(?:id|i)\$v=(?:16|19)\$m=([1-9]\d{0,9}),t=([1-9]\d{0,9}),p=([1-9]\d{0,7})"
    r"\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{16,172}",
    re.ASCII,
).fullmatch
_bcrypt = re.compile(r"bcrypt(?:_sha256)?\$\$2[abxy]\$(\d\d)\$[./A-Za-z0-9]{53}", re.ASCII).fullmatch

ARGON2_MEMORY = 256 * 1024  # KiB
ARGON2_WORK = 512 * 1024  # KiB times passes
ARGON2_LANES = 16
BCRYPT_COST = 13  # 14 takes more than a second
BCRYPT_BYTES = 72  # of a password; all that bcrypt reads


class Checked(BasePasswordHasher):
    """A hasher that knows which hashes it may be asked about."""

    @abstractmethod
    def check(self, encoded: str) -> None:
        """Raise HashUnknown unless `encoded` is whole, HashTooCostly where a check of it would take too much."""


class Foreign(Checked):
    """A hasher of other systems' hashes: it checks passwords and makes no hash."""

    def encode(self, password: str, salt: str) -> NoReturn:
        """Refuse: new hashes are Argon2Hasher's."""
        raise NotImplementedError(f"{self.algorithm} makes no hash")

    def decode(self, encoded: str) -> dict[str, Any]:
        """Return what the hash says of itself; subclasses add its parts."""
        return {"algorithm": self.algorithm}

    def safe_summary(self, encoded: str) -> "dict[str | _StrPromise, Any]":
        """Return what may be shown of it: its kind."""
        return {"algorithm": self.algorithm}

    def must_update(self, encoded: str) -> bool:
        """Tell that the next right password shall be hashed anew, as ours."""
        return True

    def harden_runtime(self, password: str, encoded: str) -> None:
        """Do nothing: a wrong password costs what this hash costs, as a right one does."""


class Argon2Hasher(Argon2PasswordHasher, Checked):
    """Argon2id at the cost that OWASP's Password Storage Cheat Sheet names first (19 MiB, two passes, one lane)."""

    time_cost = 2
    memory_cost = 19 * 1024  # KiB
    parallelism = 1

    def check(self, encoded: str) -> None:
        """Raise HashUnknown, HashTooCostly: see Checked."""
        if not (found := _argon2(encoded)):
            raise HashUnknown
        memory, passes, lanes = (int(number) for number in found.groups())
        if memory < 8 * lanes:
            raise HashUnknown
        if memory > ARGON2_MEMORY or memory * passes > ARGON2_WORK or lanes > ARGON2_LANES:
            raise HashTooCostly


class BcryptHasher(Foreign):
    """bcrypt of the UTF-8 bytes, $2a$, $2b$, $2x$ and $2y$ alike (2x: without its sign bug, so ASCII passwords only).

    Like the systems it comes from it reads the first 72 bytes of a password; the library refuses longer ones.
    """

    algorithm = "bcrypt"

    def check(self, encoded: str) -> None:
        """Raise HashUnknown, HashTooCostly: see Checked."""
        if not (found := _bcrypt(encoded)) or not 4 <= int(found[1]) <= 31:
            raise HashUnknown
        if int(found[1]) > BCRYPT_COST:
            raise HashTooCostly

    def verify(self, password: str, encoded: str) -> bool:
        """Tell whether the first 72 bytes of `password` are what was hashed."""
        import bcrypt  # a compiled library that most installations never need

        stored = encoded.partition("$")[2].encode()
        return bcrypt.checkpw(self.secret(password), stored)

    def secret(self, password: str) -> bytes:
        """Return what bcrypt gets to see of a password."""
        return password.encode()[:BCRYPT_BYTES]


class BcryptSha256Hasher(BcryptHasher):
    """Django's bcrypt_sha256: bcrypt of the hexadecimal SHA-256, so that no password is cut."""

    algorithm = "bcrypt_sha256"

    def secret(self, password: str) -> bytes:
        """Return the hexadecimal SHA-256 of a password."""
        return sha256(password.encode()).hexdigest().encode()
