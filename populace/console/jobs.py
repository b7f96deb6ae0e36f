"""Jobs as console pages show them: in words, with names, and how far each has come."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.utils.safestring import SafeString

from populace.audit.actors import SYSTEM
from populace.bulk.documents import eta_s
from populace.bulk.formats.recognition import Recognised
from populace.bulk.models import Job
from populace.console.texts import moment
from populace.users.models import User

KINDS = {"bulk_action": "Bulk action", "bulk_undo": "Undo", "group_delete": "Removal of a group"}
"""What kinds of jobs are called; others by their own name."""

ACTIONS = {
    "activate": "Activate",
    "deactivate": "Deactivate",
    "update": "Update",
    "add_to_group": "Add to a group",
    "remove_from_group": "Remove from a group",
    "erase": "Erase",
}

STATES = {
    Job.QUEUED: ("Waiting", ""),
    Job.RUNNING: ("Running", "info"),
    Job.SUCCEEDED: ("Done", "success"),
    Job.FAILED: ("Failed", "danger"),
    Job.CANCELLED: ("Cancelled", "warning"),
}
"""What each state is called, and the kind of its label."""

TOLD = ("filter", "ids", "group", "values", "format", "dry_run", "on_conflict", "rows", "list", "fields")
"""Options that a job's page tells, where there are any."""


class Row(NamedTuple):
    """A job, ready to be shown."""

    job: Job
    title: str
    owner: str
    state: str
    label: str
    percent: int | None
    left: str

    @property
    def created(self) -> SafeString | str:
        """Return when it was asked for."""
        return moment(self.job.created_at)

    @property
    def finished(self) -> SafeString | str:
        """Return when it ended."""
        return moment(self.job.finished_at)

    @property
    def expires(self) -> SafeString | str:
        """Return when it is forgotten."""
        return moment(self.job.expires_at)


def rows_of(jobs: Iterable[Job]) -> list[Row]:
    """Return the rows of a page; one statement for all the names on it."""
    shown = list(jobs)
    names = _names({job.user_id for job in shown})
    return [_row(job, names) for job in shown]


def _row(job: Job, names: Mapping[UUID, str]) -> Row:
    state, label = STATES[job.state]
    if job.cancel_asked and not job.is_over:
        state, label = "Stopping", "warning"
    percent = min(100, 100 * job.done // job.total) if job.total else None
    return Row(job, title_of(job), names.get(job.user_id, str(job.user_id)), state, label, percent, _left(job))


def title_of(job: Job) -> str:
    """Return what a job does, in words."""
    kind = KINDS.get(job.kind, job.kind.replace("_", " ").capitalize())
    action = ACTIONS.get(job.options.get("action", ""))
    return f"{kind}: {action.lower()}" if action else kind


def options_of(job: Job) -> list[tuple[str, str]]:
    """Return what was asked for, in words; of ids their number."""
    found = []
    for name in TOLD:
        value = job.options.get(name)
        if value in (None, {}, [], "") and not (name == "filter" and value == {}):
            continue
        text = _text(name, value) or ("everybody" if job.options.get("list", "users") == "users" else "everything")
        found.append((name.replace("_", " ").capitalize(), text))
    return found


def _text(name: str, value: Any) -> str:
    if name == "ids":
        return f"{len(value):,} ids"
    if isinstance(value, dict):
        return ", ".join(f"{key}={one}" for key, one in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def results_of(job: Job) -> list[tuple[str, str]]:
    """Return the numbers of what came of it."""
    result: dict[str, Any] = job.result or {}
    return [
        (name.replace("_", " ").capitalize(), f"{value:,}" if isinstance(value, int) else str(value))
        for name, value in result.items()
        if isinstance(value, int | str) and not isinstance(value, bool)
    ]


def mapping_of(job: Job) -> list[tuple[str, str]]:
    """Return which column of an import's file became which field; "" for what is left behind."""
    if job.kind != "import" or "how" not in job.position:
        return []
    mapping: Mapping[str, str | None] = Recognised(**job.position["how"]).shown()["mapping"]
    return [(theirs, ours or "") for theirs, ours in mapping.items()]


def _left(job: Job) -> str:
    """Return how long it will take, roughly."""
    seconds = eta_s(job)
    if seconds is None:
        return ""
    for size, name in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"about {round(seconds / size)} {name} left"
    return f"about {seconds} s left"


def _names(ids: set[UUID]) -> dict[UUID, str]:
    people: Sequence[User] = list(User.objects.filter(pk__in=ids).only("id", "username", "email"))
    return {SYSTEM.id: "Command line"} | {user.pk: str(user) for user in people}
