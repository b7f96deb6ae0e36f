"""What a caller may be allowed: the names that roles grant and that the scopes of a token narrow."""

from collections.abc import Iterable

ADMIN = "admin"
"""All of them, and what has no name of its own."""

PERMISSIONS = (
    *(f"{thing}:{right}" for thing in ("users", "groups", "events", "tokens", "jobs") for right in ("read", "write")),
    "metrics:read",
    ADMIN,
)
ALL = frozenset(PERMISSIONS)


def expanded(names: Iterable[str]) -> frozenset[str]:
    """Return what these names allow: `admin` is every one."""
    given = frozenset(names)
    return ALL if ADMIN in given else given
