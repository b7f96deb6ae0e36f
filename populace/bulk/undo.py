"""The job that takes back what a bulk action did: of those whom it changed, whoever is still as it left them."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from populace.audit.actors import Actor
from populace.audit.models import Event
from populace.bulk import bulk_actions
from populace.bulk.actions import create_job
from populace.bulk.bulk_actions import FIRST, NUMBERS, act, asked_of, rows_of_chunk, told
from populace.bulk.chosen import Chosen, may
from populace.bulk.errors import NotUndoable
from populace.bulk.kinds import KINDS, JobRefused, Kind
from populace.bulk.models import BulkTarget, Job
from populace.bulk.running import Running
from populace.infra.db.fields import NEVER
from populace.users import many
from populace.users.errors import Forbidden
from populace.users.many import FORBIDDEN, Done
from populace.users.models import User
from populace.users.querysets import READ

KIND = "bulk_undo"

INVERSE = {
    "activate": "deactivate",
    "deactivate": "activate",
    "add_to_group": "remove_from_group",
    "remove_from_group": "add_to_group",
    "update": "update",
}
"""What takes each action back; whoever was erased is gone for good."""

EVENTS = {
    "activate": ("user.activated", "user.deactivated"),
    "deactivate": ("user.activated", "user.deactivated"),
    "add_to_group": ("group.member_added", "group.member_removed"),
    "remove_from_group": ("group.member_added", "group.member_removed"),
    "update": ("user.updated",),
}
"""Events that tell what each action changes; a later one of them means that somebody is not as it left them."""

CHANGED_SINCE = "changed_since"


def is_undoable(job: Job) -> bool:
    """Tell whether there is something that `ask` would take back, whoever asks."""
    return (
        job.kind == bulk_actions.KIND
        and job.is_over
        and job.options["action"] in INVERSE
        and job.position.get("changed", 0) > 0
    )


def ask(job: Job, *, by: Actor, partial: bool = True) -> Job:
    """Have a job undone by another one. Raises NotUndoable, Forbidden, TooManyJobs."""
    return create_job(prepared(job, by=by, partial=partial), by=by)


def prepared(job: Job, *, by: Actor, partial: bool = True) -> Job:
    """Return the job that undoes another, not stored. Raises as `ask`.

    Unless `partial`, it stops at somebody on whom who asks may not act; else they are left out.
    """
    if job.kind != bulk_actions.KIND or job.options["action"] not in INVERSE:
        raise NotUndoable("What this job does cannot be undone.")
    if not job.is_over:
        raise NotUndoable("It has not ended yet: cancel it first.")
    options = job.options | {"partial": partial}
    if not may(INVERSE[options["action"]], by):
        raise Forbidden
    return Job(
        kind=KIND,
        options=options | {"of": str(job.id), "ids": None, "filter": {}},
        total=job.position.get("changed", 0),
    )


def run(running: Running) -> dict[str, Any]:
    """Do the job."""
    done = replace(asked_of(running.job), action=INVERSE[running.options["action"]])
    while running.job.done < (running.job.total or 0):
        _undo_some(running, done)
    return {name: running.position.get(name, 0) for name in NUMBERS}


def _undo_some(running: Running, inverse: Chosen) -> None:
    of, behind = UUID(running.options["of"]), UUID(running.position.get("after_id", str(FIRST)))
    with running.chunk() as chunk:
        if not may(inverse.action, running.by):
            raise JobRefused("forbidden", "Whoever asked for the job may not do it any more.")
        found = BulkTarget.objects.filter(job_id=of, user_id__gt=behind, changed_at__gt=NEVER).order_by("user_id")
        targets = list(found[: rows_of_chunk(inverse.action)])
        if not targets:
            raise JobRefused("not_found", "The job that was to be undone is forgotten by now.")
        done = _undone(inverse, running.options["action"], targets, by=running.by)
        if FORBIDDEN in done.left.values() and not inverse.partial:
            raise Forbidden
        told(chunk, done, {target.user_id: target.row for target in targets})


def _undone(inverse: Chosen, action: str, targets: Collection[BulkTarget], *, by: Actor) -> Done:
    history = History(action, inverse.group, {target.user_id: target.changed_at for target in targets})
    ids = [target.user_id for target in targets]
    if action != "update":
        return act(inverse, ids, by=by, leave_out=history.changed_since)
    return many.update(ids, edit=history.before, by=by, leave_out=history.changed_since)


class History:
    """What the log tells of some people since a job changed them."""

    def __init__(self, action: str, group_id: UUID | None, changed_at: Mapping[UUID, datetime]) -> None:
        self._actions, self._group, self._changed_at = EVENTS[action], group_id, changed_at
        self._before: dict[UUID, dict[str, Any]] = {}

    def changed_since(self, user_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """Return who is not as the job left them; a LeaveOut, asked when their rows are locked."""
        since = min(self._changed_at[one] for one in user_ids)
        events = Event.objects.filter(subject_id__in=user_ids, at__gte=since, action__in=self._actions)
        changed = set()
        for event in events.order_by("subject_id", "at", "id"):
            changes = (event.details or {}).get("changes") or {}
            if not self._concerns(changes):
                continue
            if event.at > self._changed_at[event.subject_id] and self._meets(event.subject_id, changes):
                changed.add(event.subject_id)
            elif event.at == self._changed_at[event.subject_id]:
                self._before[event.subject_id] = changes
        return dict.fromkeys((one for one in user_ids if one in changed or one not in self._before), CHANGED_SINCE)

    def before(self, user: User) -> dict[str, Any]:
        """Return what somebody's values were before the job."""
        return {name: change["old"] for name, change in self._before[user.id].items()}

    def _concerns(self, changes: Mapping[str, Any]) -> bool:
        if self._group is None:
            return True
        group = changes.get("group") or {}
        return str(self._group) in [(group.get(side) or {}).get("id") for side in ("old", "new")]

    def _meets(self, user_id: UUID, changes: Mapping[str, Any]) -> bool:
        """Tell whether a later event is about what the job changed, and not about another value."""
        return self._actions != EVENTS["update"] or bool(changes.keys() & self._before.get(user_id, changes).keys())


KINDS[KIND] = Kind(run=run, permission=READ)
