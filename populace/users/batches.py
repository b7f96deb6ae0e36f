"""The verb for many people at once, for imports: a batch is one transaction of the same few statements, whatever
its size; each person in it has the event that create_user or update_user would write.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connections, router
from django.db.models import Model

from populace.audit.actions import recorded
from populace.audit.actors import Actor
from populace.infra.db.retry import atomic
from populace.users import attributes, attributes_kept
from populace.users.actions import created
from populace.users.attributes_index import moved, values_at
from populace.users.copying import copies, copy_people
from populace.users.errors import Forbidden, Invalid, NoIdentifier, UserNotFound
from populace.users.guards import beyond
from populace.users.identifiers import claimed_in_turn, claims
from populace.users.incoming import Newcomer
from populace.users.models import AttributeValue, Identifier, User
from populace.users.rows import PROFILE_COLUMNS, apply

# By the index, one key at a time, whatever the planner knows of the table: for thousands of keys it would read all of a
# table of a million, at every batch. OFFSET 0 keeps the two from being made one join.
HOLDERS = """
SELECT held."key", held."user_id" FROM unnest(%s::text[]) AS wanted("key") CROSS JOIN LATERAL (
  SELECT "key", "user_id" FROM "users_identifier" WHERE "users_identifier"."key" = wanted."key" OFFSET 0
) AS held
""".strip()


@dataclass(slots=True)
class Edit:
    """What a source says of a person who is there, and what came of it."""

    user_id: UUID
    values: Mapping[str, Any]  # as documents.NEW returned them, `kind` among them
    email_verified: bool | None = None  # of the e-mail in `values`; None: not said
    user: User | None = None  # as it is afterwards
    changes: Mapping[str, Any] = field(default_factory=dict)
    refused: Invalid | Forbidden | NoIdentifier | None = None  # nothing of it was written


def holders_of(keys: Collection[str]) -> dict[str, UUID]:
    """Return who holds each of these keys of Identifier; those that are free are left out. One statement."""
    if not keys:
        return {}
    connection = connections[router.db_for_read(Identifier)]
    if connection.vendor != "postgresql":
        return dict(Identifier.objects.filter(key__in=keys).values_list("key", "user_id"))
    with connection.cursor() as cursor:  # one parameter, however many keys
        cursor.execute(HOLDERS, [_array(keys)])
        return dict(cursor.fetchall())


def _array(texts: Iterable[str]) -> str:
    """Return an array as PostgreSQL writes it: the driver takes ten times as long for a list."""
    quoted = [text.replace("\\", "\\\\").replace('"', '\\"') for text in texts]
    return '{"' + '","'.join(quoted) + '"}'


def write_people(
    newcomers: Sequence[Newcomer],
    edits: Sequence[Edit],
    *,
    by: Actor,
    quiet: bool = True,
    dry_run: bool = False,
) -> None:
    """Write new people and, quietly, changes of others; what an edit may not do stands in it.

    Nothing follows from who is made unless `quiet` is false. No two of them are about one person or claim one
    identifier. Raises IntegrityError where an identifier is taken, UserNotFound where somebody to change is not there;
    then nothing was written. `dry_run` only tries the edits.
    """
    with atomic(User):
        stored = _locked([edit.user_id for edit in edits])
        out_of_reach = beyond(stored, by=by) if stored else set()
        batch = _Batch(by, newcomers, quiet=quiet)
        for edit in edits:
            if edit.user_id in out_of_reach:
                edit.user, edit.refused = stored[edit.user_id], Forbidden()
            else:
                batch.change(stored[edit.user_id], edit)
        if not dry_run:
            batch.write()


def _locked(ids: Sequence[UUID]) -> dict[UUID, User]:
    """Return these people, locked in one order for all writers. Raises UserNotFound."""
    if not ids:
        return {}
    found = {user.id: user for user in User._base_manager.select_for_update().filter(pk__in=ids).order_by("pk")}
    if len(found) < len(ids):
        raise UserNotFound
    return found


class _Batch:
    """The rows of a batch by what is done with them."""

    def __init__(self, by: Actor, newcomers: Sequence[Newcomer], *, quiet: bool) -> None:
        self._by, self._newcomers, self._quiet = by, newcomers, quiet
        self._changed: list[User] = []
        self._claimed: list[Identifier] = []
        self._freed: list[str] = []
        self._values: list[AttributeValue] = []
        self._values_gone: list[AttributeValue] = []
        self._recorded: list[list[Model]] = []  # event and outbox row

    def change(self, user: User, edit: Edit) -> None:
        """Take what an edit makes of a person, or say in it why not."""
        edit.user, before, had = user, {claim.key: claim for claim in claims(user)}, user.attributes
        try:
            edit.changes = apply(user, _settled(user, edit))
            after = {claim.key: claim for claim in claims(user)}
            if not after:
                raise NoIdentifier
        except (Invalid, NoIdentifier) as refused:
            edit.refused = refused
            return
        if not edit.changes:
            return
        user.version += 1  # the row is locked
        self._changed.append(user)
        self._claimed += [claim for key, claim in after.items() if key not in before]
        self._freed += [key for key in before if key not in after]
        if "attributes" in edit.changes:
            appeared, gone = moved(user, had)
            self._values += appeared
            self._values_gone += gone
        self._recorded.append(
            recorded(
                subject_id=user.id,
                subject_kind="user",
                action="user.updated",
                by=self._by,
                at=user.updated_at,
                changes=edit.changes,
                quiet=True,
            )
        )

    def write(self) -> None:
        """Write it all, a statement for each kind of row."""
        using = router.db_for_write(User)
        if self._freed:
            Identifier._base_manager.filter(pk__in=self._freed)._raw_delete(using)
        if self._values_gone:
            gone = [row.pk for row in self._values_gone]
            AttributeValue._base_manager.filter(pk__in=gone)._raw_delete(using)
        self._write_newcomers(using)
        # An INSERT that finds every row there: one statement on every engine, where an UPDATE of many rows by many
        # values would compare each row with each value.
        changed = [*PROFILE_COLUMNS, "version"]
        User._base_manager.bulk_create(
            self._changed, update_conflicts=True, unique_fields=["id"], update_fields=changed
        )
        Identifier._base_manager.bulk_create(sorted(self._claimed, key=claimed_in_turn))
        AttributeValue._base_manager.bulk_create(self._values, ignore_conflicts=True)
        for rows in zip(*self._recorded, strict=True):  # events, then their outbox rows
            type(rows[0])._base_manager.bulk_create(rows)

    def _write_newcomers(self, using: str) -> None:
        """Write who is new, or leave what follows from them to the lists; no claim goes before another's turn."""
        names = attributes_kept.current().indexed
        for one in self._newcomers if names else ():
            self._values += values_at(one.id, one.columns["attributes"])
        if self._newcomers and copies(using):
            copy_people(connections[using], self._newcomers, self._claimed, by=self._by, quiet=self._quiet)
            self._claimed = []
            return
        users = [one.user() for one in self._newcomers]
        User._base_manager.bulk_create(users)
        self._claimed += [claim for user in users for claim in claims(user)]
        self._recorded += [created(user, by=self._by, quiet=self._quiet) for user in users]


def _settled(user: User, edit: Edit) -> dict[str, Any]:
    """Return the columns an edit sets. Raises Invalid."""
    new = dict(edit.values)
    if new.pop("kind", user.kind) != user.kind:
        raise Invalid("read_only", "What a person is, is settled when they are made.", "kind")
    if user.external_id and new.get("external_id") and new["external_id"] != user.external_id:
        raise Invalid("external_id_differs", "Whoever holds the other identifiers has another one.", "external_id")
    if "attributes" in new:
        new["attributes"] = attributes.merged(user.attributes, new["attributes"])
    if new.get("email", user.email) != user.email:
        new["email_verified"] = edit.email_verified is True
    elif new.get("email") and edit.email_verified and not user.email_verified:
        new["email_verified"] = True
    return new
