"""Password hashers, as Django names them in PASSWORD_HASHERS."""

import re

from django.contrib.auth.hashers import Argon2PasswordHasher

# PHC string of Argon2id version 1.3 with a salt of 8 and a hash of 12 bytes at least (RFC 9106 section 3.1).
_complete = re.compile(
    r"argon2\$argon2id\$v=19\$m=[1-9]\d{0,6},t=[1-9]\d?,p=[1-9]\d?\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{16,86}",
    re.ASCII,
).fullmatch


class Argon2Hasher(Argon2PasswordHasher):
    """Argon2id at the cost that OWASP's Password Storage Cheat Sheet names first (19 MiB, two passes, one lane)."""

    time_cost = 2
    memory_cost = 19 * 1024  # KiB
    parallelism = 1

    def is_affordable(self, encoded: str) -> bool:
        """Tell whether `encoded` is whole, and checking a password against it takes at most 256 MiB and a second or so.

        Guards the doors that take finished hashes: the cost stands in the hash itself, so somebody else chose it.
        """
        if not _complete(encoded):
            return False
        cost: dict[str, int] = self.decode(encoded)
        memory, passes, lanes = cost["memory_cost"], cost["time_cost"], cost["parallelism"]
        return 8 * lanes <= memory <= 256 * 1024 and passes <= 10 and lanes <= 16
