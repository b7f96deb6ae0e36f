"""What happened (Event), what is committed but not yet passed on (Outbox), and the order it is passed on in (Feed)."""

from django.db import models

from populace.infra.db.guarded import Guarded
from populace.infra.db.ids import new_id
from populace.infra.db.indexes import Walked


class Event(Guarded):
    """One change of state, written in the change's own transaction.

    Partitioned by month of `at` on PostgreSQL. Personal values lie in `details` alone (`changes`, `address`,
    `user_agent`), which erasure sets to NULL. Three b-trees at most: the key, (actor, at), (action, at).
    """

    pk = models.CompositePrimaryKey("subject_id", "at", "id")
    subject_id = models.UUIDField()  # plain: a person, group, token or job, told by subject_kind
    at = models.DateTimeField()
    id = models.UUIDField(default=new_id)
    subject_kind = models.CharField(max_length=16)
    action = models.CharField(max_length=64)
    actor = models.UUIDField()
    request_id = models.CharField(max_length=64, default="", blank=True)
    details = models.JSONField(null=True)

    class Meta:
        indexes = [
            Walked(fields=["actor", "at"], then=["id"], name="event_actor"),
            Walked(fields=["action", "at"], then=["id"], name="event_action"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject_id}"


class Outbox(Guarded):
    """A committed event that is not in the feed yet.

    The id is drawn after the subject's row is locked, so ids of one subject are in commit order; across subjects
    commits become visible out of id order, and only Feed.seq may be used as a position.
    """

    id = models.BigAutoField(primary_key=True)
    event_id = models.UUIDField()
    subject_id = models.UUIDField()
    action = models.CharField(max_length=64)
    at = models.DateTimeField()
    quiet = models.BooleanField(default=False)  # demo, seed, import: in the feed, but nothing follows

    def __str__(self) -> str:
        return f"{self.id} {self.action}"


class Feed(models.Model):
    """The gapless, commit-safe order of all events: every position (webhook, pull, replay) is a `seq`."""

    seq = models.BigIntegerField(primary_key=True)
    subject_id = models.UUIDField()
    at = models.DateTimeField()
    event_id = models.UUIDField()

    def __str__(self) -> str:
        return str(self.seq)


class Counter(models.Model):
    """The last seq given out. Its row lock is what makes the dispatcher single."""

    name = models.CharField(primary_key=True, max_length=32)
    value = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}={self.value}"
