"""What the API remembers of calls."""

from django.db import models

from populace.infra.db.fields import DigestField
from populace.infra.db.guarded import Guarded


class Receipt(Guarded):
    """What a call with an Idempotency-Key did, written in the transaction of its effect: enough to answer it again.

    `user_id`, whose call it was, is a plain column: a call may erase its own caller. Digests fill a UUID's 128 bits.
    """

    pk = models.CompositePrimaryKey("user_id", "key")
    user_id = models.UUIDField()
    key = DigestField()  # digest of the Idempotency-Key
    fingerprint = DigestField()  # digest of method, path and body
    status = models.SmallIntegerField()
    subject_id = models.UUIDField()  # who or what was made or changed
    result = models.TextField(default="", blank=True)  # the body, where no document tells it later: ids alone
    created_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.status} of {self.user_id}"
