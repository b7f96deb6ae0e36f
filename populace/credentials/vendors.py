"""Password credentials as other systems' exports describe them, written as one text that foreign.adopted takes.

Each raises Invalid (`hash_unknown`) where nobody checks it here. Nothing is hashed.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

from populace.credentials.digests import UTF16, Recipe
from populace.credentials.encoding import packed, unpacked
from populace.credentials.errors import HashUnknown
from populace.credentials.foreign import fast
from populace.users.errors import Invalid

type Given = Mapping[str, Any]

UNKNOWN = "Not a password credential of a kind we check."


def from_keycloak(secret_data: Given, credential_data: Given) -> str:
    """Return a Keycloak password credential as a PHC string.

    Both come as JSON inside a string in a realm export; this takes what they hold.
    """
    return _or_unknown(_keycloak, secret_data, credential_data)


def from_auth0(custom: Given) -> str:
    """Return Auth0's `custom_password_hash`, of today's shape or of the one with `salt_prefix`, `salt_suffix`."""
    return _or_unknown(_auth0, custom)


def from_firebase(digest: str, salt: str, parameters: Given) -> str:
    """Return a password of Firebase, given the project's parameters as its console names them."""
    return _or_unknown(_firebase, digest, salt, parameters)


def from_okta(given: Given) -> str:
    """Return the `hash` of Okta's import shape."""
    return _or_unknown(_okta, given)


def from_clerk(hasher: str, digest: str) -> str:
    """Return Clerk's `password_digest`, read as its `password_hasher` says."""
    if hasher not in _CLERK:
        raise Invalid("hash_unknown", "The password_hasher is of no kind we check.", "password_hash")
    return _or_unknown(_CLERK[hasher], digest)


def _or_unknown(read: Callable[..., str], *given: Any) -> str:
    try:
        return read(*given)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):  # HashUnknown is a ValueError
        raise Invalid("hash_unknown", UNKNOWN, "password_hash") from None


def _keycloak(secret_data: Given, credential_data: Given) -> str:
    salt, key = (_text(secret_data[name]) for name in ("salt", "value"))
    algorithm, passes = credential_data["algorithm"], int(credential_data["hashIterations"])
    if algorithm == "argon2":
        more = {name: values[0] for name, values in credential_data["additionalParameters"].items() if values}
        version = {"1.0": 16, "1.3": 19}[more["version"]]
        cost = f"m={int(more['memory'])},t={passes},p={int(more['parallelism'])}"
        return f"$argon2{more['type']}$v={version}${cost}${salt}${key}"
    digest = {"pbkdf2": "sha1", "pbkdf2-sha256": "sha256", "pbkdf2-sha512": "sha512"}[algorithm]
    return f"$pbkdf2-{digest}$i={passes}${salt}${key}"


_AS_IT_STANDS = ("argon2", "bcrypt", "ldap", "pbkdf2")  # Auth0 takes these as whole texts
_AUTH0_DIGESTS = ("md4", "md5", "sha1", "sha224", "sha256", "sha384", "sha512")


def _auth0(custom: Given) -> str:
    algorithm, told = custom["algorithm"], custom["hash"]
    told = {"value": told} if isinstance(told, str) else told
    if algorithm in _AS_IT_STANDS:
        return _text(told["value"])
    digest = _bytes(told, "hex" if _is_hex(told["value"]) else "base64")
    first, second = _auth0_salts(custom)
    wide = {"utf16le": UTF16, "ucs2": UTF16, "utf8": "", "ascii": ""}[
        (custom.get("password") or {}).get("encoding", "utf8")
    ]
    if algorithm == "scrypt" and not wide:
        cost = (
            f"ln={_log2(custom.get('cost', 16384))},r={custom.get('blockSize', 8)},p={custom.get('parallelization', 1)}"
        )
        return f"$scrypt${cost}${packed(first + second)}${packed(digest)}"
    if algorithm == "hmac":
        return fast(Recipe(f"hmac-{told['digest']}{wide}", _bytes(told["key"], "utf8")), digest)
    if algorithm in _AUTH0_DIGESTS:
        return fast(Recipe(f"{algorithm}{wide}", first, second), digest)
    raise HashUnknown


def _auth0_salts(custom: Given) -> tuple[bytes, bytes]:
    """Return what stands before the password and what stands behind it."""
    salt = custom.get("salt")
    if not salt:
        return _text(custom.get("salt_prefix") or "").encode(), _text(custom.get("salt_suffix") or "").encode()
    value = _bytes(salt, "utf8")
    return {"prefix": (value, b""), "suffix": (b"", value)}[salt.get("position", "prefix")]


def _bytes(told: Given, encoding: str) -> bytes:
    """Return a value of Auth0, in its encoding or else in this one."""
    value = _text(told["value"])
    return {"hex": bytes.fromhex, "base64": unpacked, "utf8": str.encode}[told.get("encoding", encoding)](value)


def _firebase(digest: str, salt: str, parameters: Given) -> str:
    # None of them has a default: with a wrong one nobody could sign in, and nobody would know why.
    cost = f"ln={int(parameters['mem_cost'])},r={int(parameters['rounds'])},p=1"
    separator, signer = parameters["base64_salt_separator"], parameters["base64_signer_key"]
    return f"$firescrypt${cost}${_text(salt)}${_text(digest)}${_text(separator)}${_text(signer)}"


def _okta(given: Given) -> str:
    algorithm, value = given["algorithm"], _text(given["value"])
    salt = _text(given.get("salt") or "")
    if algorithm == "BCRYPT":
        return f"$2a${int(given['workFactor']):02}${salt}{value}"
    if algorithm == "PBKDF2":
        digest = {"SHA256_HMAC": "sha256", "SHA512_HMAC": "sha512"}[given["digestAlgorithm"]]
        return f"$pbkdf2-{digest}$i={int(given['iterationCount'])}${salt}${value}"
    name = {"SHA-512": "sha512", "SHA-256": "sha256", "SHA-1": "sha1", "MD5": "md5"}[algorithm]
    bytes_of_salt = unpacked(salt)
    order = given.get("saltOrder", "PREFIX")
    first, second = {"PREFIX": (bytes_of_salt, b""), "POSTFIX": (b"", bytes_of_salt)}[order]
    return fast(Recipe(name, first, second), unpacked(value))


def _clerk_sha1(digest: str) -> str:
    _, passes, salt, key, *_ = digest.split("$")
    data = bytes.fromhex(salt) if _is_hex(salt) else salt.encode()
    return f"$pbkdf2-sha1$i={passes}${packed(data)}${packed(bytes.fromhex(key))}"


def _clerk_pbkdf2(name: str, salted: Callable[[str], bytes], keyed: Callable[[str], bytes]) -> Callable[[str], str]:
    def read(digest: str) -> str:
        _, passes, salt, key = digest.split("$")
        return f"$pbkdf2-{name}$i={passes}${packed(salted(salt))}${packed(keyed(key))}"

    return read


def _clerk_firebase(digest: str) -> str:
    value, salt, signer, separator, rounds, mem_cost = digest.split("$")
    more = {"base64_signer_key": signer, "base64_salt_separator": separator, "rounds": rounds, "mem_cost": mem_cost}
    return _firebase(value, salt, more)


def _clerk_werkzeug(digest: str) -> str:
    method, salt, key = digest.split("$")
    name, n, r, p = method.split(":")
    if name != "scrypt":
        raise HashUnknown
    return f"$scrypt$ln={_log2(n)},r={int(r)},p={int(p)}${packed(salt.encode())}${packed(bytes.fromhex(key))}"


def _hex_of(kind: str) -> Callable[[str], str]:
    return lambda digest: f"${kind}${b64encode(bytes.fromhex(digest)).decode()}"


_CLERK: dict[str, Callable[[str], str]] = {
    **dict.fromkeys(
        ("argon2i", "argon2id", "bcrypt", "bcrypt_sha256_django", "pbkdf2_sha256_django", "ldap_ssha"), str
    ),
    "md5": _hex_of("md5"),
    "sha256": _hex_of("sha256"),
    "pbkdf2_sha1": _clerk_sha1,
    "pbkdf2_sha256": _clerk_pbkdf2("sha256", unpacked, unpacked),
    "pbkdf2_sha512": _clerk_pbkdf2("sha512", str.encode, bytes.fromhex),
    "pbkdf2_sha512_hex": _clerk_pbkdf2("sha512", bytes.fromhex, bytes.fromhex),
    "scrypt_firebase": _clerk_firebase,
    "scrypt_werkzeug": _clerk_werkzeug,
}
"""Readers by `password_hasher`; forms: https://clerk.com/docs/references/backend/user/create-user."""


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _log2(cost: Any) -> int:
    """Return the exponent of scrypt's N. Raises ValueError unless it is a power of two."""
    number = int(cost)
    if number < 2 or number & (number - 1):
        raise ValueError
    return number.bit_length() - 1


def _is_hex(text: Any) -> bool:
    return isinstance(text, str) and len(text) % 2 == 0 and re.fullmatch("[0-9A-Fa-f]*", text) is not None
