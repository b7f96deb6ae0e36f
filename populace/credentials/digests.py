"""Fast digests of passwords, as other systems store them: guessed by the billion a second until they are wrapped."""

import hashlib
import hmac
import re
from typing import NamedTuple

from populace.credentials.encoding import packed, unpacked
from populace.credentials.errors import HashTooCostly, HashUnknown

PLAIN = ("md4", "md5", "sha1", "sha224", "sha256", "sha384", "sha512")
UTF16 = "-utf16le"
CRYPT = {"md5-crypt": (8, 22), "sha256-crypt": (16, 43), "sha512-crypt": (16, 86)}
"""Characters of the salt at most, and of the checksum."""
CRYPT_ROUNDS = range(1000, 300_001)  # more would hold up every request: these rounds are Python's

_crypt_text = re.compile(r"[./A-Za-z0-9]*", re.ASCII).fullmatch


class Recipe(NamedTuple):
    """How a password becomes a digest; written `KIND$FIRST$SECOND`, both base64.

    md4 … sha512: digest of first + password + second. hmac-md5 …: keyed with first. Either with -utf16le: of the
    password in UTF-16, as Windows hashes it. md5-crypt, sha256-crypt, sha512-crypt ($1$, $5$, $6$): first is the salt,
    second the number of rounds in decimal, none for md5-crypt.
    """

    kind: str
    first: bytes = b""
    second: bytes = b""

    def __str__(self) -> str:
        return "$".join((self.kind, packed(self.first), packed(self.second)))


def recipe_of(text: str) -> Recipe:
    """Read what `str()` of a Recipe writes. Raises HashUnknown, HashTooCostly."""
    kind, first, second = text.split("$")
    recipe = Recipe(kind, unpacked(first), unpacked(second))
    if kind in CRYPT:
        _check_crypt(recipe)
    elif plain_of(kind) not in PLAIN or (kind.startswith("hmac-") and (recipe.second or plain_of(kind) == "md4")):
        raise HashUnknown
    return recipe


def size_of(recipe: Recipe) -> int:
    """Return the bytes of the recipe's digests."""
    if recipe.kind in CRYPT:
        return CRYPT[recipe.kind][1]
    name = plain_of(recipe.kind)
    return 16 if name == "md4" else hashlib.new(name, usedforsecurity=False).digest_size


def digest_of(password: str, recipe: Recipe) -> bytes:
    """Return what the recipe makes of a password; of a crypt its checksum as ASCII text."""
    secret, (kind, first, second) = password.encode("utf-16-le" if recipe.kind.endswith(UTF16) else "utf-8"), recipe
    if kind in CRYPT:
        return _crypt(secret, recipe)
    name = plain_of(kind)
    if kind.startswith("hmac-"):
        return hmac.digest(first, secret, name)
    if name == "md4":
        return _md4(first + secret + second)
    return hashlib.new(name, first + secret + second, usedforsecurity=False).digest()


def plain_of(kind: str) -> str:
    """Return the digest's own name."""
    return kind.removeprefix("hmac-").removesuffix(UTF16)


def _check_crypt(recipe: Recipe) -> None:
    salt = recipe.first.decode("ascii", "replace")
    if not _crypt_text(salt) or len(salt) > CRYPT[recipe.kind][0]:
        raise HashUnknown
    if recipe.kind == "md5-crypt":
        if recipe.second:
            raise HashUnknown
        return
    if not re.fullmatch(rb"[1-9][0-9]{3,8}", recipe.second):
        raise HashUnknown
    if int(recipe.second) not in CRYPT_ROUNDS:
        raise HashTooCostly


def _md4(data: bytes) -> bytes:
    from passlib.crypto.digest import lookup_hash  # type: ignore[import-untyped]  # libpass; OpenSSL 3 has none

    digest: bytes = lookup_hash("md4").const(data).digest()
    return digest


def _crypt(secret: bytes, recipe: Recipe) -> bytes:
    from passlib import hash as crypts  # type: ignore[import-untyped]  # libpass; most installations need none

    if b"\0" in secret:  # a C string ends there: nobody has such a password
        return b""
    made = {"md5-crypt": crypts.md5_crypt, "sha256-crypt": crypts.sha256_crypt, "sha512-crypt": crypts.sha512_crypt}
    rounds = {"rounds": int(recipe.second)} if recipe.second else {}
    text: str = made[recipe.kind].using(salt=recipe.first.decode(), **rounds).hash(secret)
    return text.rpartition("$")[2].encode()
