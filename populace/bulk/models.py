"""Jobs: work on many people that somebody asked for, and how far it has come."""

from uuid import UUID, uuid5

from django.db import models

from populace.infra.db.fields import FOREVER, NEVER, NormalField
from populace.infra.db.guarded import Guarded
from populace.infra.db.ids import new_id


def own_task(job_id: UUID) -> UUID:
    """Return the id of the task of a job that the command line does; a worker's has one that follows from the event."""
    return uuid5(job_id, "populace.bulk.tasks.run_job")


class Job(Guarded):
    """One job. The task `run_job` does it: lease, retries and dead letter are those of its row in the queue.

    `user_id`, who asked, is a plain column: the command line's jobs are nobody's.
    """

    QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = "queued", "running", "succeeded", "failed", "cancelled"
    OPEN = (QUEUED, RUNNING)

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = NormalField(max_length=40)  # of kinds.KINDS
    state = NormalField(max_length=10, default=QUEUED)
    user_id = models.UUIDField()
    scopes = models.CharField(max_length=400)  # what the job may do at most: the person's roles are read anew
    request_id = models.CharField(max_length=64, default="", blank=True)
    options = models.JSONField(default=dict)
    position = models.JSONField(default=dict)  # where to go on, as of the last chunk that was committed
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(null=True)  # unknown while null
    result = models.JSONField(null=True)
    code = NormalField(max_length=40, default="", blank=True)  # why it failed
    detail = models.CharField(max_length=400, default="", blank=True)
    cancel_asked = models.BooleanField(default=False)
    rested = models.BooleanField(default=False)  # it has stopped by itself, to go on later
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(default=NEVER)
    finished_at = models.DateTimeField(default=FOREVER)
    expires_at = models.DateTimeField(default=FOREVER)

    class Meta:
        indexes = [
            models.Index(fields=["user_id", "id"], name="job_owner"),
            models.Index(fields=["state", "user_id"], name="job_state"),
            models.Index(fields=["expires_at"], name="job_expires"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def folder(self) -> str:
        """Return under which key the storage keeps its files."""
        return f"jobs/{self.id}"

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more will come of it."""
        return self.state not in self.OPEN


class JobFile(Guarded):
    """A file of a job: what it was given, or what it made."""

    SOURCE, RESULT = "source", "result"

    pk = models.CompositePrimaryKey("job_id", "name")
    job_id = models.UUIDField()  # a queue-like table: no foreign keys
    name = NormalField(max_length=20)
    filename = models.CharField(max_length=200)  # as it is called for people
    content_type = models.CharField(max_length=100)
    size = models.BigIntegerField()  # bytes
    rows = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        """Return where the storage keeps it."""
        return f"jobs/{self.job_id}/{self.name}"


class JobError(Guarded):
    """A row of which nothing came, as it was sent, and why; written in the transaction of its chunk."""

    pk = models.CompositePrimaryKey("job_id", "row")
    job_id = models.UUIDField()
    row = models.BigIntegerField()
    code = NormalField(max_length=40)
    reason = models.TextField()  # never repeats a value
    sent = models.JSONField(null=True)

    def __str__(self) -> str:
        return f"row {self.row} of {self.job_id}"


class BulkTarget(Guarded):
    """Somebody whom a job is about, settled before it changes anybody; and when it did change them."""

    pk = models.CompositePrimaryKey("job_id", "user_id")
    job_id = models.UUIDField()  # a queue-like table: no foreign keys
    user_id = models.UUIDField()
    row = models.BigIntegerField()  # their place in what was asked for, from 0
    changed_at = models.DateTimeField(default=NEVER)  # the time of their event; NEVER: not by this job

    def __str__(self) -> str:
        return f"{self.user_id} of {self.job_id}"
