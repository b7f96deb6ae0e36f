"""Finished password hashes of other systems, rewritten as one of ours checks them. docs/reference/hashes.md lists them.

Nothing is hashed here, so it takes microseconds, and what cannot be checked later is refused now.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from populace.credentials.digests import Recipe
from populace.credentials.encoding import packed, unpacked
from populace.credentials.errors import HashTooCostly, HashUnknown
from populace.credentials.hashing import check_hash
from populace.users.errors import Invalid

LONGEST = 2048  # characters of a hash as it comes: a template repeats its salt, so work grows with the square

type Reader = Callable[..., str]
"""Called with the groups of its shape, None for those that are not there."""


def adopted(encoded: str) -> str:
    """Return what is stored for a finished hash: at most 512 characters, with the name of one of PASSWORD_HASHERS.

    A fast digest comes back bare, for hashing.sealed or tasks.wrap_digests. Raises Invalid: `hash_unknown` for a kind
    that nobody checks here or a hash that is not whole, `hash_cost` where a check would take more than about a second
    or 256 MiB.
    """
    try:
        if len(encoded) > LONGEST:
            raise HashUnknown
        if found := _usual(encoded):
            _check_cost(found[1])
            return f"argon2{encoded}"
        stored = _rewritten(encoded.strip())
        check_hash(stored)
    except HashTooCostly:
        detail = "Checking a password against it would take too much time or memory."
        raise Invalid("hash_cost", detail, "password_hash") from None
    except HashUnknown:
        raise Invalid("hash_unknown", "Not a whole hash of a kind we check.", "password_hash") from None
    return stored


# What most files have, written as it is stored: nothing is left to be done but to look at the cost.
_usual = re.compile(
    r"(\$argon2id\$v=19\$m=[1-9]\d{0,8},t=[1-9]\d{0,8},p=[1-9]\d{0,8})"
    r"\$[A-Za-z0-9+/]{21}[AQgw]\$[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]",
    re.ASCII,
).fullmatch


@lru_cache(256)
def _check_cost(head: str) -> None:
    check_hash(f"argon2{head}${'A' * 22}${'A' * 43}")


def _rewritten(encoded: str) -> str:
    """Return the hash as one of ours would store it; unchanged where it looks like no other system's."""
    for matches, rewrite in _SHAPES:
        if found := matches(encoded):
            return rewrite(*found.groups())
    return encoded


def _numbers(text: str) -> dict[str, int]:
    """Read `m=16,t=2,p=1`, or `1000` as i. Raises HashUnknown."""
    numbers = {}
    for part in (text if "=" in text else f"i={text}").split(","):
        if not (found := re.fullmatch(r"([a-z]{1,2})=(\d{1,12})", part, re.ASCII)):
            raise HashUnknown
        numbers[found[1]] = int(found[2])
    return numbers


def _same(text: str) -> str:
    return packed(unpacked(text))


def _take(numbers: Mapping[str, int], *names: str) -> list[int]:
    try:
        return [numbers[name] for name in names]
    except KeyError:
        raise HashUnknown from None


def _argon2(kind: str, version: str | None, cost: str, salt: str, key: str) -> str:
    memory, passes, lanes = _take(_numbers(cost), "m", "t", "p")
    return f"argon2${kind}$v={version or 16}$m={memory},t={passes},p={lanes}${_same(salt)}${_same(key)}"


_BCRYPT = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def _bcrypt(name: str | None, head: str, salt: str, key: str) -> str:
    """Clear the bits that hold nothing: some libraries leave rubbish there, and the comparison is of text."""
    last_of_salt = _BCRYPT[_BCRYPT.index(salt[-1]) & 0b110000]
    last_of_key = _BCRYPT[_BCRYPT.index(key[-1]) & 0b111100]
    return f"{name or 'bcrypt'}${head}{salt[:-1]}{last_of_salt}{key[:-1]}{last_of_key}"


def _pbkdf2(digest: str | None, cost: str | None, salt: str, key: str) -> str:
    # `l`, where given, is in bits or in bytes: the key itself tells. 100,000 is what Auth0 means by nothing.
    [iterations] = _take(_numbers(cost or "i=100000"), "i")
    return f"pbkdf2${digest or 'sha1'}${iterations}${_same(salt)}${_same(key)}"


def _django_pbkdf2(digest: str, iterations: str, salt: str, key: str) -> str:
    return _pbkdf2(digest, iterations, packed(salt.encode()), key)


def _cost_of_scrypt(cost: int, r: int, p: int) -> str:
    """Return the cost with log2 N; where N itself stands (Kratos, Django), it is no exponent anybody could afford."""
    if cost >= 64:
        if cost & (cost - 1):
            raise HashUnknown
        cost = cost.bit_length() - 1
    return f"ln={cost},r={r},p={p}"


def _scrypt(name: str, cost: str, salt: str, key: str, rest: str) -> str:
    numbers = _cost_of_scrypt(*_take(_numbers(cost), "ln", "r", "p"))
    more = "".join(f"${_same(part)}" for part in rest.split("$")[1:])
    return f"{name}${numbers}${_same(salt)}${_same(key)}{more}"


def _django_scrypt(n: str, salt: str, r: str, p: str, key: str) -> str:
    return f"scrypt${_cost_of_scrypt(int(n), int(r), int(p))}${packed(salt.encode())}${_same(key)}"


def fast(recipe: Recipe, digest: bytes) -> str:
    """Return the text of a bare digest, which `adopted` takes."""
    return f"fast${recipe}${packed(digest)}"


def _ldap(salted: str, kind: str, data: str) -> str:
    """Read RFC 2307's userPassword; salted, the salt stands behind the digest."""
    name = {"SHA": "sha1"}.get(kind.upper(), kind.lower().replace("-", ""))
    size = {"md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}[name]
    both = unpacked(data)
    if bool(both[size:]) != bool(salted):
        raise HashUnknown
    return fast(Recipe(name, b"", both[size:]), both[:size])


def _digest(kind: str, template: str | None, salt: str | None, digest: str) -> str:
    """Read Kratos's digests; the template says how salt and password are put together."""
    before, found, after = (unpacked(template) if template else b"{PASSWORD}").partition(b"{PASSWORD}")
    if not found or b"{PASSWORD}" in after:
        raise HashUnknown
    first, second = (part.replace(b"{SALT}", unpacked(salt or "")) for part in (before, after))
    return fast(Recipe(kind, first, second), unpacked(digest))


def _django_digest(kind: str, salt: str, digest: str) -> str:
    return fast(Recipe(kind, salt.encode()), bytes.fromhex(digest))


def _hmac(kind: str, digest: str, key: str) -> str:
    """Read Kratos's HMAC, whose digest is base64 of the hexadecimal text."""
    try:
        return fast(Recipe(kind, unpacked(key)), bytes.fromhex(unpacked(digest).decode("ascii")))
    except ValueError:
        raise HashUnknown from None


def _crypt(kind: str, rounds: str | None, salt: str, checksum: str) -> str:
    name = {"1": "md5", "5": "sha256", "6": "sha512"}.get(kind, kind.removesuffix("-crypt"))
    second = "" if name == "md5" else rounds or "5000"
    return fast(Recipe(f"{name}-crypt", salt.encode(), second.encode()), checksum.encode())


_SHAPES: list[tuple[Callable[[str], re.Match[str] | None], Reader]] = [
    (re.compile(shape, re.ASCII).fullmatch, reader)
    for shape, reader in (
        (r"(?:argon2)?\$(argon2(?:id|i))\$(?:v=(\d{1,3})\$)?([^$]+)\$([^$]+)\$([^$]+)", _argon2),
        (r"(?:(bcrypt(?:_sha256)?)\$)?(\$2[abxy]\$\d\d\$)([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})", _bcrypt),
        (r"\$pbkdf2(?:-(sha1|sha224|sha256|sha384|sha512))?\$(?:([^$]+)\$)?([^$]+)\$([^$]+)", _pbkdf2),
        (r"pbkdf2_(sha1|sha256)\$(\d{1,12})\$([^$]+)\$([^$]+)", _django_pbkdf2),
        (r"\$(scrypt)\$([^$]+)\$([^$]+)\$([^$]+)()", _scrypt),
        (r"\$(firescrypt)\$([^$]+)\$([^$]+)\$([^$]+)(\$[^$]*\$[^$]+)", _scrypt),
        (r"scrypt\$(\d{1,12})\$([^$]+)\$(\d{1,9})\$(\d{1,9})\$([^$]+)", _django_scrypt),
        (r"\{(?i:CRYPT)\}(\$.+)", _rewritten),
        (r"\{(?i:(S?)(MD5|SHA|SHA-?(?:224|256|384|512)))\}(.+)", _ldap),
        (r"\$(md4|md5|sha1|sha224|sha256|sha384|sha512)\$(?:pf=([^$]+)\$([^$]*)\$)?([^$]+)", _digest),
        (r"(md5|sha1)\$([^$]*)\$((?:[0-9a-f]{2})+)", _django_digest),
        (r"\$(hmac-(?:md5|sha1|sha224|sha256|sha384|sha512))\$([^$]+)\$([^$]+)", _hmac),
        (r"\$(1|5|6|md5-crypt|sha256-crypt|sha512-crypt)\$(?:rounds=(\d{1,9})\$)?([^$]*)\$([./A-Za-z0-9]+)", _crypt),
    )
]
