"""Password hashers, as Django names them in PASSWORD_HASHERS."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2Hasher(Argon2PasswordHasher):
    """Argon2id at the cost that OWASP's Password Storage Cheat Sheet names first (19 MiB, two passes, one lane)."""

    time_cost = 2
    memory_cost = 19 * 1024  # KiB
    parallelism = 1

    def is_affordable(self, encoded: str) -> bool:
        """Tell whether checking a password against `encoded` takes at most 256 MiB and a second or so.

        Guards the doors that take finished hashes: the cost stands in the hash itself, so somebody else chose it.
        """
        cost: dict[str, int] = self.decode(encoded)
        return cost["memory_cost"] <= 256 * 1024 and cost["time_cost"] <= 10 and cost["parallelism"] <= 16
