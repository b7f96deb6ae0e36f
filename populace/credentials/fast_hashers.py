"""Hashers of fast digests: bare as they came in, and wrapped in Argon2id as they stay until the next sign-in."""

from hmac import compare_digest
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from populace.credentials.digests import Recipe, digest_of, recipe_of, size_of
from populace.credentials.encoding import unpacked
from populace.credentials.errors import HashUnknown
from populace.credentials.hashers import Argon2Hasher, Foreign
from populace.users.models import BARE

LONGEST = 384  # characters of a bare one: wrapped it still fits the column

_argon2 = PasswordHasher(
    time_cost=Argon2Hasher.time_cost, memory_cost=Argon2Hasher.memory_cost, parallelism=Argon2Hasher.parallelism
)


class FastHasher(Foreign):
    """`fast$KIND$FIRST$SECOND$DIGEST`: see digests.Recipe."""

    algorithm = BARE.removesuffix("$")

    def check(self, encoded: str) -> None:
        """Raise HashUnknown, HashTooCostly: see Checked."""
        if len(encoded) > LONGEST:
            raise HashUnknown
        recipe, digest = self.parts(encoded)
        if len(digest) != size_of(recipe):
            raise HashUnknown

    def verify(self, password: str, encoded: str) -> bool:
        """Tell whether `password` is what was hashed."""
        recipe, digest = self.parts(encoded)
        return compare_digest(digest_of(password, recipe), digest)

    def decode(self, encoded: str) -> dict[str, Any]:
        """Return recipe and digest."""
        recipe, digest = self.parts(encoded)
        return super().decode(encoded) | {"recipe": recipe, "digest": digest}

    def parts(self, encoded: str) -> tuple[Recipe, bytes]:
        """Take a hash apart; raises HashUnknown, HashTooCostly."""
        algorithm, _, rest = encoded.partition("$")
        if algorithm != self.algorithm or rest.count("$") != 3:
            raise HashUnknown
        recipe, _, digest = rest.rpartition("$")
        return recipe_of(recipe), unpacked(digest)


class WrappedHasher(Foreign):
    """`argon2_wrapped$KIND$FIRST$SECOND$argon2id$…`: Argon2id of the digest that the recipe makes of the password."""

    algorithm = "argon2_wrapped"

    def check(self, encoded: str) -> None:
        """Raise HashUnknown, HashTooCostly: see Checked."""
        _, argon2 = self.parts(encoded)
        Argon2Hasher().check(f"argon2{argon2}")

    def verify(self, password: str, encoded: str) -> bool:
        """Tell whether `password` is what was hashed."""
        recipe, argon2 = self.parts(encoded)
        try:
            return _argon2.verify(argon2, digest_of(password, recipe))
        except VerificationError:
            return False

    def decode(self, encoded: str) -> dict[str, Any]:
        """Return recipe and PHC string."""
        recipe, argon2 = self.parts(encoded)
        return super().decode(encoded) | {"recipe": recipe, "argon2": argon2}

    def parts(self, encoded: str) -> tuple[Recipe, str]:
        """Return the recipe and the PHC string of Argon2; raises HashUnknown, HashTooCostly."""
        algorithm, *recipe, argon2 = encoded.split("$", 4)
        if algorithm != self.algorithm or len(recipe) != 3:
            raise HashUnknown
        return recipe_of("$".join(recipe)), f"${argon2}"


def is_bare(encoded: str) -> bool:
    """Tell whether it is a bare digest, which is to be wrapped."""
    return encoded.startswith(BARE)


def wrapped(encoded: str) -> str:
    """Return a bare digest wrapped in Argon2id, under a new salt; takes as long as hashing a password."""
    recipe, digest = FastHasher().parts(encoded)
    return f"{WrappedHasher.algorithm}${recipe}{_argon2.hash(digest)}"
