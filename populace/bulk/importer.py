"""From checked rows to people: one look at who is there, one decision a row.

Where somebody else is faster than the batch, its halves are decided anew, down to the single row.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX as NO_PASSWORD
from django.db import DataError, IntegrityError, OperationalError, router, transaction

from populace.audit.actors import Actor
from populace.bulk.candidates import Came, Candidate, keys_of
from populace.bulk.passwords import hashed
from populace.bulk.rehearsal import Rehearsal
from populace.groups.batches import WRITE, add_members, beyond, joining, make_missing
from populace.groups.errors import GroupNotFound, NameTaken
from populace.groups.models import Group
from populace.infra.db.causes import Cause, cause_of
from populace.infra.db.patience import patient
from populace.infra.db.retry import atomic
from populace.users.actions import activate_user, deactivate_user
from populace.users.batches import Edit, holders_of, write_people
from populace.users.errors import Forbidden, IdentifierTaken, Invalid, LastOwner, NoIdentifier, UserNotFound
from populace.users.identifiers import CONFUSABLE, name_normal
from populace.users.models import User

TRIES = 3
"""Times that a single row is decided anew because others changed the same people."""

PAUSE_S = 0.1

AHEAD = 50
"""Rows looked at anew, at least, behind one that had to wait for those before it; such rows are seldom alone."""

RACES = (IntegrityError, UserNotFound)
FAULTS = (DataError, Forbidden, Invalid, LastOwner)  # of one row among those of the batch


class Unready(Exception):
    """Others changed what `prepare` had made ready: roll back, and begin the batch with that again."""


@dataclass(slots=True)
class Plan:
    """What is to be written together: no two rows are about one person."""

    newcomers: list[Candidate] = field(default_factory=list)
    edits: list[tuple[Candidate, Edit]] = field(default_factory=list)

    @property
    def candidates(self) -> list[Candidate]:
        """All rows of it, in the order of the file."""
        return sorted([*self.newcomers, *(one for one, _ in self.edits)], key=lambda one: one.row.number)


class Importer:
    """Takes batches of checked rows; every row then says what came of it. `by` may change between batches."""

    def __init__(
        self, *, by: Actor, on_conflict: str, welcome: bool = False, rehearsal: Rehearsal | None = None
    ) -> None:
        """With a `rehearsal` nothing is written."""
        self.by, self._on_conflict, self._welcome = by, on_conflict, welcome
        self._rehearsal = rehearsal
        self._using = router.db_for_write(User)

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        """Do what a batch needs and its transaction should not hold: make groups, hash the passwords of the new.

        Raises Unready where somebody else was faster.
        """
        self.make_groups(candidates)
        secret = [one for one in candidates if not one.own and _lacks_hash(one)]
        held = holders_of(keys_of(secret))
        for one in secret:
            if held.keys().isdisjoint(one.keys.values()):
                one.made.columns["password"] = hashed(one.row.password)

    def make_groups(self, candidates: Sequence[Candidate]) -> None:
        """Make the groups of these rows that there are not, as far as that is allowed. Raises Unready."""
        names = {name for one in candidates if not one.own for name in one.row.groups}
        if names and WRITE in self.by.permissions:
            try:
                with atomic(User):
                    make_missing(names, by=self.by)
            except NameTaken:
                raise Unready from None

    def take(self, candidates: Sequence[Candidate]) -> None:
        """Write what the rows ask for; those with faults of their own are passed over. Raises Unready."""
        for one in candidates:
            one.begin()
        self._all([one for one in candidates if not one.faults])

    def _all(self, waiting: Sequence[Candidate], tries: int = 0) -> None:
        ahead = len(waiting)
        while waiting:
            plan, decided = self._planned(waiting[:ahead])
            self._try(plan, tries)
            waiting = waiting[decided:]
            ahead = max(AHEAD, 2 * decided)

    def _try(self, plan: Plan, tries: int) -> None:
        try:
            self._write(plan)
        except (*RACES, *FAULTS) as error:
            self._again(plan.candidates, error, tries)
        except OperationalError as error:
            if cause_of(error) is not Cause.DEADLOCK or tries == TRIES:
                raise  # the whole chunk lets go, and is done anew
            time.sleep(PAUSE_S)  # the database gave way to somebody else
            self._again(plan.candidates, error, tries)

    def _again(self, rows: Sequence[Candidate], error: Exception, tries: int) -> None:
        if len(rows) > 1:
            half = len(rows) // 2
            self._all(rows[:half])
            self._all(rows[half:])
        elif isinstance(error, FAULTS):
            rows[0].refuse(_fault(error))
        elif tries < TRIES:
            self._all(rows, tries + 1)
        else:
            rows[0].refuse(Invalid("conflict", "Others kept changing the same person or group."))

    def _planned(self, waiting: Sequence[Candidate]) -> tuple[Plan, int]:
        """Decide rows until one is about a person whom this plan changes already; return how many, too."""
        keys = keys_of(waiting)
        holders = holders_of(keys)
        if self._rehearsal:
            holders = self._rehearsal.holders(holders, keys)
        plan, fresh, edited = Plan(), set[UUID](), set[UUID]()
        for place, one in enumerate(waiting):
            held = {kind: holders[key] for kind, key in one.keys.items() if key in holders}
            if edited & set(held.values()):
                return plan, place
            target = self._target(one, held)
            if target in fresh:
                return plan, place
            if target:
                plan.edits.append((one, Edit(target, one.values, email_verified=one.row.email_verified)))
                edited.add(target)
            elif not held and one.check_schema():
                plan.newcomers.append(one)
                fresh.add(one.made.id)
                holders |= dict.fromkeys(one.keys.values(), one.made.id)
        return plan, len(waiting)

    def _target(self, one: Candidate, held: Mapping[str, UUID]) -> UUID | None:
        """Return whom the row changes; else the row is settled, or it is somebody new (nobody holds anything)."""
        people = set(held.values())
        target = held.get("external_id")
        if target:
            if others := [kind for kind, holder in held.items() if holder != target]:
                one.refuse(_taken(others))
                return None
            return target
        # Who only looks like somebody of the directory is not that person.
        if held and (len(people) > 1 or set(held) == {CONFUSABLE} or self._on_conflict == "fail"):
            one.refuse(_taken(held))
        elif held and self._on_conflict == "skip":
            one.came = Came.SKIPPED
        elif held:
            return people.pop()
        return None

    def _write(self, plan: Plan) -> None:
        if not (plan.newcomers or plan.edits):
            return
        names = {name for one in plan.candidates for name in one.row.groups}
        if not self._rehearsal and any(_lacks_hash(one) for one in plan.newcomers):
            raise Unready
        with patient(self._using):
            if names and WRITE not in self.by.permissions:
                raise Forbidden
            try:
                with joining(names, by=self.by, all_there=not self._rehearsal) as groups:
                    self._write_rows(plan, names, groups)
            except GroupNotFound:
                raise Unready from None
            if self._rehearsal:
                transaction.set_rollback(True, using=self._using)
        if self._rehearsal:
            self._rehearsal.remember(plan.newcomers, plan.edits)
        self._settle(plan)

    def _write_rows(self, plan: Plan, names: set[str], groups: Mapping[str, Group]) -> None:
        if beyond(names, by=self.by):
            raise Forbidden
        made = self._rehearsal.made(edit.user_id for _, edit in plan.edits) if self._rehearsal else ()
        known = [edit for _, edit in plan.edits if edit.user_id not in made]
        newcomers = {one.made.id: one for one in plan.newcomers}
        dry_run = self._rehearsal is not None
        people = [one.made for one in plan.newcomers]
        write_people(people, known, by=self.by, quiet=not self._welcome, dry_run=dry_run)
        done = {edit.user_id: one for one, edit in plan.edits if edit.user and not edit.refused}
        for one, edit in plan.edits:
            one.came = Came.UPDATED if edit.changes else Came.UNCHANGED
        wanted = {
            user_id: [groups[normal] for name in one.row.groups if (normal := name_normal(name)) in groups]
            for user_id, one in (newcomers | done).items()
        }
        if names and not dry_run:
            for user_id in add_members(wanted, newcomers=newcomers, by=self.by) & set(done):
                done[user_id].came = Came.UPDATED
        for _, edit in plan.edits:
            self._set_active(edit, done.get(edit.user_id))

    def _set_active(self, edit: Edit, one: Candidate | None) -> None:
        """Shut the person out, or let them in, where the row says so and it is not so: a verb of its own."""
        if one is None or edit.user is None or one.row.is_active in (None, edit.user.is_active):
            return
        verb = activate_user if one.row.is_active else deactivate_user
        verb(edit.user_id, by=self.by)
        one.came = Came.UPDATED

    def _settle(self, plan: Plan) -> None:
        for one in plan.newcomers:
            one.came = Came.CREATED
        for one, edit in plan.edits:
            if edit.refused:
                one.refuse(_fault(edit.refused))


def _lacks_hash(one: Candidate) -> bool:
    return bool(one.row.password) and one.made.columns["password"] == NO_PASSWORD


def _taken(kinds: Iterable[str]) -> Invalid:
    taken = IdentifierTaken(kinds)
    return Invalid(taken.refusals[0][1], f"Held by somebody already: {', '.join(taken.kinds)}.")


def _fault(error: Exception) -> Invalid:
    """Return what a row is told about a refusal."""
    match error:
        case Invalid():
            return error
        case Forbidden():
            return Invalid("forbidden", "The person, or a group of the row, may do more than who imports.")
        case LastOwner():
            return Invalid("last_owner", "Somebody active must hold the role owner.", "is_active")
        case NoIdentifier():
            return Invalid("no_identifier", "No user name, e-mail, phone or external id would be left.")
    return Invalid("invalid", "The database cannot store it.")
