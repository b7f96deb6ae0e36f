"""Who is signed in, and until when."""

from django.db import models

from populace.infra.db.fields import NormalField
from populace.infra.db.guarded import Guarded


class Session(Guarded):
    """A browser that somebody has signed in with: found by the digest of its cookie, which is never stored.

    `user_id` is a plain column: this table is sharded by the digest.
    """

    digest = NormalField(primary_key=True, max_length=64)  # SHA-256 of the session key, hex
    user_id = models.UUIDField(db_index=True)
    data = models.TextField()  # as Django's session framework encodes and signs it
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"session of {self.user_id}"
