"""Who somebody is, by e-mail or user name and a password (settings.AUTHENTICATION_BACKENDS)."""

import base64
import os
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from populace.credentials.hashers import Argon2Hasher
from populace.credentials.hashing import is_known_hash, verify_password
from populace.users.models import User
from populace.users.reads import user_id_of


class Attempt(NamedTuple):
    """What came of a name and a password: who was named, and who it is if the password is theirs."""

    named: UUID | None
    user: User | None


def attempt(typed: str, password: str) -> Attempt:
    """Look for the active person whose e-mail or user name and password these are. Raises HashingBusy.

    Two statements (the identifier, then the person: never a join) and one hash, whoever is named: nobody, somebody
    without a password and somebody with another one take the same time.
    """
    found = user_id_of("email" if "@" in typed else "username", typed)
    user = User.objects.filter(pk=found or uuid4()).first()
    encoded = user.password if user and is_known_hash(user.password) else nobodys_hash()
    is_right = verify_password(password, encoded)
    if user is None:
        return Attempt(None, None)
    return Attempt(user.pk, user if is_right and user.is_active and user.kind == User.PERSON else None)


class PasswordBackend(BaseBackend):
    """What Django's sessions ask who somebody is."""

    def authenticate(
        self, request: HttpRequest | None, username: str = "", password: str = "", **credentials: Any
    ) -> User | None:
        """Return whose name and password these are; None where they are nobody's. Raises HashingBusy."""
        return attempt(username, password).user if username and password else None

    def get_user(self, user_id: UUID) -> User | None:
        """Return the person of a session, None once deactivated or erased: asked with every request."""
        return User.objects.filter(pk=user_id, is_active=True).first()


@cache
def nobodys_hash() -> str:
    """Return a hash that costs what a real one does and that no password has."""
    salt, digest = (base64.b64encode(os.urandom(size)).rstrip(b"=").decode() for size in (16, 32))
    cost = f"m={Argon2Hasher.memory_cost},t={Argon2Hasher.time_cost},p={Argon2Hasher.parallelism}"
    return f"argon2$argon2id$v=19${cost}${salt}${digest}"
