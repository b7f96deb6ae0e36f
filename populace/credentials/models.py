"""Secrets that open the API. (Second factors and passkeys come with the Access issue.)"""

from django.db import models

from populace.infra.db.fields import FOREVER, NEVER, NormalField
from populace.infra.db.guarded import Guarded
from populace.infra.db.ids import new_id


class ApiToken(Guarded):
    """A bearer token: found by the digest of its secret, which is shown once and never stored.

    `user_id`, the owner, is a plain column: this table is sharded by the digest.
    """

    digest = NormalField(primary_key=True, max_length=64)  # SHA-256 of the whole token, hex
    id = models.UUIDField(default=new_id, db_index=True)
    user_id = models.UUIDField()
    name = models.CharField(max_length=200)
    scopes = models.CharField(max_length=400)  # space separated, as RFC 6749 section 3.3 writes them
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(default=FOREVER)
    revoked_at = models.DateTimeField(default=FOREVER)
    last_used_at = models.DateTimeField(default=NEVER)
    version = models.BigIntegerField(default=1)  # of two revocations at the same moment, one is an event

    class Meta:
        # Lists show those that nobody has revoked, of everybody or of one owner, in the order of their ids.
        indexes = [
            models.Index(fields=["revoked_at", "id"], name="token_valid"),
            models.Index(fields=["user_id", "revoked_at", "id"], name="token_owner"),
            models.Index(fields=["expires_at"], name="token_expires"),  # for expiry.py
        ]

    def __str__(self) -> str:
        return self.name
