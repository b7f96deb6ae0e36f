"""The job that does one thing to many people: chunk by chunk, each person by the rules of the single verb."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections, router

from populace.audit.actors import Actor
from populace.bulk.actions import create_job
from populace.bulk.chosen import Chosen, chosen_of, may
from populace.bulk.confirming import confirmed
from populace.bulk.errors import Beyond, NotConfirmed
from populace.bulk.kinds import KINDS, JobRefused, Kind
from populace.bulk.models import BulkTarget, Job
from populace.bulk.running import Chunk, Running
from populace.bulk.targets import AT_ONCE, behind, count_of, some_of, store
from populace.groups import many as groups_many
from populace.groups.errors import GroupNotFound
from populace.groups.guards import holding, roles_beyond
from populace.groups.reads import owners_among
from populace.infra.db.retry import atomic, retried
from populace.users import attributes, many
from populace.users.errors import Forbidden, Invalid, LastOwner, Refused
from populace.users.guards import beyond
from populace.users.many import ALREADY, FORBIDDEN, Done, LeaveOut
from populace.users.models import User
from populace.users.querysets import READ

KIND = "bulk_action"

CHUNK, CHUNK_SQLITE, CHUNK_ERASED = 500, 200, 200
"""People of one transaction: fewer where nobody else writes meanwhile, and where each has rows in many tables."""

LEAVING = ("deactivate", "erase")

NUMBERS = ("changed", "already", "refused")
"""What the result counts; together they are everybody."""

FIRST = UUID(int=0)

REASONS = {
    "not_found": "Nobody has this id (any more).",
    "forbidden": "They hold a right that whoever asked lacks.",
    "oneself": "Whoever asks is left out.",
    "last_owner": "Somebody active must stay owner.",
    "invalid": "The attribute schema refuses it.",
    "changed_since": "Somebody has changed it since, or what tells how it was is gone.",
}
"""Why nothing came of somebody."""


def ask(chosen: Chosen, *, by: Actor, confirm: str | int | None = None) -> Job:
    """Have it done by a job, whose people are settled from now on. Raises Forbidden, TooManyJobs.

    NotConfirmed: they are many, and nobody said how many. Beyond, Invalid: not `partial`, and somebody may not be
    acted on, or is not there; Refused: the people cannot be counted.
    """
    job = prepared(chosen, by=by, confirm=confirm)
    most, joined_by = job.options["most"], datetime.fromisoformat(job.options["joined_by"])
    found, key = some_of(chosen, (), joined_by=joined_by, most=AT_ONCE)
    count = len(set(found))
    if count > most:
        raise NotConfirmed(count)
    job.position = {"key": list(key) or None, "row": len(found)}
    job.total = None if key else count
    return _stored(job, found, by)


def prepared(chosen: Chosen, *, by: Actor, confirm: str | int | None = None) -> Job:
    """Return the job, not stored, its people yet to be settled by itself. Raises as `ask`."""
    if not may(chosen.action, by):
        raise Forbidden
    most, joined_by = confirmed(chosen, confirm, by=by)
    if not chosen.partial:
        _check_all(chosen, by)
    options = chosen.stored() | {"most": most, "joined_by": joined_by.isoformat()}
    return Job(kind=KIND, options=options, position={"key": [], "row": 0})


@retried
def _stored(job: Job, found: Collection[UUID], by: Actor) -> Job:
    with atomic(Job):
        create_job(job, by=by)
        store(job.id, found, row=0)
    return job


def _check_all(chosen: Chosen, by: Actor) -> None:
    """Raise Beyond, Invalid unless everybody is there and may be acted on."""
    if chosen.ids is None:
        if stronger := roles_beyond(by):
            count = chosen.people(by).filter(holding(stronger))[:AT_ONCE].count()
            if count:
                raise Beyond(count)
        return
    there = set(User.objects.filter(pk__in=chosen.ids).values_list("pk", flat=True))
    missing = [f"ids/{place}" for place, one in enumerate(chosen.ids) if one not in there]
    faults = [Invalid("not_found", REASONS["not_found"], place) for place in missing]
    if faults:
        faults[0].more = faults[1:]
        raise faults[0]
    if refused := beyond(chosen.ids, by=by):
        raise Beyond(len(refused), [place for place, one in enumerate(chosen.ids) if one in refused])


def run(running: Running) -> dict[str, Any]:
    """Do the job."""
    chosen = asked_of(running.job)
    while running.position["key"] is not None:
        _settle_some(running, chosen)
    while running.job.done < (running.job.total or 0):
        _do_some(running, chosen)
    return {name: running.position.get(name, 0) for name in NUMBERS}


def asked_of(job: Job) -> Chosen:
    """Return what a job was asked for. Raises JobRefused where that has lost its meaning."""
    given = {name: job.options[name] for name in ("action", "filter", "ids", "group", "values", "partial")}
    try:
        return chosen_of(**given)
    except Invalid as invalid:
        raise JobRefused(invalid.code, invalid.detail) from None
    except Refused as refused:
        raise JobRefused(refused.code, str(refused)) from None


def _settle_some(running: Running, chosen: Chosen) -> None:
    """Note the next of the job's people; at the end, count them all."""
    options, position = running.options, running.position
    with running.chunk() as chunk:
        joined_by = datetime.fromisoformat(options["joined_by"])
        found, key = some_of(chosen, tuple(position["key"]), joined_by=joined_by, most=1)
        store(running.job.id, found, row=position["row"])
        chunk.position |= {"key": list(key) or None, "row": position["row"] + len(found)}
        if not key:
            chunk.total = count_of(running.job.id)
            if chunk.total > options["most"]:
                told = (
                    f"It concerns {chunk.total:,} people by now; {options['most']:,} were confirmed. Nothing was done."
                )
                raise JobRefused("not_confirmed", told)


def _do_some(running: Running, chosen: Chosen) -> None:
    with running.chunk() as chunk:
        if not may(chosen.action, running.by):
            raise JobRefused("forbidden", "Whoever asked for the job may not do it any more.")
        targets = behind(
            running.job.id, UUID(running.position.get("after_id", str(FIRST))), rows_of_chunk(chosen.action)
        )
        rows = {target.user_id: target.row for target in targets}
        done = act(chosen, list(rows), by=running.by)
        if FORBIDDEN in done.left.values() and not chosen.partial:
            raise Forbidden
        BulkTarget._base_manager.filter(job_id=running.job.id, user_id__in=done.changed).update(changed_at=done.at)
        told(chunk, done, rows)


def told(chunk: Chunk, done: Done, rows: Mapping[UUID, int]) -> None:
    """Say in a chunk what came of whom; `rows`: everybody in it, by the number they go by."""
    refused = {one: code for one, code in done.left.items() if code != ALREADY}
    chunk.bad = [(rows[one], code, REASONS[code], {"id": str(one)}) for one, code in refused.items()]
    chunk.done = len(rows)
    numbers = (len(done.changed), len(done.left) - len(refused), len(refused))
    chunk.position |= {
        name: chunk.position.get(name, 0) + number for name, number in zip(NUMBERS, numbers, strict=True)
    }
    chunk.position["after_id"] = str(list(rows)[-1])  # the last one as the database orders them


def rows_of_chunk(action: str) -> int:
    """Return how many people a transaction holds."""
    if connections[router.db_for_write(User)].vendor == "sqlite":
        return CHUNK_SQLITE
    return CHUNK_ERASED if action == "erase" else CHUNK


def act(chosen: Chosen, user_ids: Collection[UUID], *, by: Actor, leave_out: LeaveOut = many.nobody) -> Done:
    """Do it to these people, and say what came of whom. Whoever asks is never shut out, nor the last owner.

    Raises JobRefused, Forbidden about the group.
    """
    left = {by.id: "oneself"} if chosen.action in LEAVING and by.id in user_ids else {}
    try:
        try:
            with atomic(User):
                done = _verb(chosen, [one for one in user_ids if one not in left], by, leave_out)
        except LastOwner:
            active = User.objects.filter(pk__in=owners_among(user_ids), is_active=True).order_by("pk")
            left |= dict.fromkeys(active.values_list("pk", flat=True)[:1], "last_owner")
            done = _verb(chosen, [one for one in user_ids if one not in left], by, leave_out)
    except LastOwner:
        raise JobRefused("last_owner", REASONS["last_owner"]) from None
    except GroupNotFound:
        raise JobRefused("not_found", "The group is gone.") from None
    done.left |= left
    return done


def _verb(chosen: Chosen, ids: Collection[UUID], by: Actor, leave_out: LeaveOut) -> Done:
    if chosen.group is not None:
        joining = chosen.action == "add_to_group"
        return groups_many.move(ids, group_id=chosen.group, joining=joining, by=by, leave_out=leave_out)
    if chosen.action == "erase":
        return many.erase(ids, by=by)
    if chosen.action == "update":
        return many.update(ids, edit=lambda user: edited(user, chosen.values), by=by, leave_out=leave_out)
    return many.set_active(ids, active=chosen.action == "activate", by=by, leave_out=leave_out)


def edited(user: User, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `values` make of somebody; attributes are merged."""
    new = dict(values)
    if "attributes" in new:
        new["attributes"] = attributes.merged(user.attributes, new["attributes"])
    return new


KINDS[KIND] = Kind(run=run, permission=READ)
