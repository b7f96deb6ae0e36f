"""Passwords in plain text that come with a file: not held to the policy, but hashed like any other."""

import time

from populace.credentials.hashing import HashingBusy, PasswordRefused, check_checkable, hash_password
from populace.users.errors import Invalid

HASH_TRIES = 60  # each waits a second for a slot, then two more


def check_password(password: str) -> None:
    """Raise Invalid where nobody could sign in by it later. Cheap."""
    try:
        check_checkable(password)
    except PasswordRefused as refused:
        raise Invalid(refused.code, refused.detail, "password") from None


def hashed(password: str) -> str:
    """Return the hash; waits while others hash. Raises HashingBusy after some minutes."""
    for _ in range(HASH_TRIES - 1):
        try:
            return hash_password(password)
        except HashingBusy as busy:
            time.sleep(busy.retry_after_s)
    return hash_password(password)
