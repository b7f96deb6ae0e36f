"""API tokens: how the secret looks, and the key it is stored under.

`pop_` + 43 base-62 digits of 32 random bytes + 6 of a CRC-32 of what stands before. Secret scanners know the prefix,
and a mistyped or cut token is told from a revoked one without asking the database.
"""

import secrets
from hashlib import sha256
from zlib import crc32

from populace.audit.permissions import PERMISSIONS

PREFIX = "pop_"
RANDOM_DIGITS = 43  # 62**43 > 2**256
CHECK_DIGITS = 6  # 62**6 > 2**32
LENGTH = len(PREFIX) + RANDOM_DIGITS + CHECK_DIGITS

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS = [high + low for high in _DIGITS for low in _DIGITS]  # every request computes a checksum

SCOPES = PERMISSIONS
"""What a token may be limited to: each scope is the permission of that name."""


def make_token() -> str:
    """Return a new secret of 53 characters, 256 bits of it random."""
    body = PREFIX + _base62(int.from_bytes(secrets.token_bytes(32)), RANDOM_DIGITS)
    return body + _checksum(body)


def digest_of(raw: str) -> str | None:
    """Return the key a token is stored under; None: malformed, so nobody's."""
    if len(raw) != LENGTH or not raw.isascii() or not raw.startswith(PREFIX):
        return None
    if _checksum(raw[:-CHECK_DIGITS]) != raw[-CHECK_DIGITS:]:
        return None
    return digest(raw)


def digest(secret: str) -> str:
    """Return SHA-256 of a whole token in hex.

    A fast hash is enough: nobody guesses 256 random bits. A look-up by it leaks no matching prefix by its time.
    """
    return sha256(secret.encode()).hexdigest()


def _checksum(body: str) -> str:
    number, low = divmod(crc32(body.encode()), 3844)
    high, middle = divmod(number, 3844)
    return _PAIRS[high] + _PAIRS[middle] + _PAIRS[low]


def _base62(number: int, width: int) -> str:
    digits = ""
    while len(digits) < width:
        number, digit = divmod(number, 62)
        digits = _DIGITS[digit] + digits
    return digits
