"""Base64 as hashes carry it: with or without padding, `.` or `-` for `+`, `_` for `/`."""

import base64
import binascii

from populace.credentials.errors import HashUnknown

_plain = str.maketrans({".": "+", "-": "+", "_": "/", "=": ""})


def unpacked(text: str) -> bytes:
    """Return the bytes of a base64 text in any of the spellings. Raises HashUnknown."""
    plain = text.translate(_plain)
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise HashUnknown from None


def packed(data: bytes) -> str:
    """Return base64 (RFC 4648 section 4) without padding, which is how hashes are stored here."""
    return base64.b64encode(data).rstrip(b"=").decode()
