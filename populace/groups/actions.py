"""The verbs: the only ways groups, memberships and roles change. Each is one transaction with its events.

Every verb raises Forbidden where the actor lacks a permission that the group or person has or would be given: nobody
grants what they do not hold, and nobody takes it from others either. Events about members are about the people.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import router
from django.db.models import Model
from django.utils.timezone import now

from populace.audit.actions import recorded
from populace.audit.actors import Actor
from populace.audit.permissions import ADMIN, expanded
from populace.groups import closure
from populace.groups.errors import NameTaken, TooManyMembers
from populace.groups.guards import check_held, locked_group, may_act_on, may_act_on_all, owner_stays, rights_changed
from populace.groups.models import Group, GroupClosure, GroupParent, GroupRole, Membership, Role, RoleAssignment
from populace.groups.reads import GROUP, holds_owner, permissions_of_group, roles_of
from populace.infra.db.retry import retried
from populace.infra.db.write import Change, Duplicate, write, write_along
from populace.users.errors import Invalid, UserNotFound, VersionMismatch
from populace.users.identifiers import name_normal
from populace.users.models import User

MEMBERS_MAX = 1000
"""People of one call."""

MEMBERS_DELETED_MAX = 100_000
"""Members whom a group may have when it is deleted at once; of a larger one a job removes them."""


@retried
def create_group(*, by: Actor, values: Mapping[str, Any], quiet: bool = False) -> bytes:
    """Make a group of what documents.NEW returned and return its document. Raises Invalid, NameTaken."""
    group = _named(Group(), values)
    roles, parents = check_roles(values.get("roles", ())), _parents(values)
    with owner_stays(lambda: True):
        _check_given(roles, parents, by=by)
        ways = closure.stored(parents)
        _check_found(ways, parents)
        changes = {name: {"old": None, "new": value} for name, value in _shown(group, roles, parents).items() if value}
        rows = [
            group,
            *closure.rows(group.id, closure.above(group.id, ways.values())),
            *(GroupParent(group_id=group.id, parent_id=parent) for parent in parents),
            *(GroupRole(group_id=group.id, role_id=role.id) for role in roles),
        ]
        _write(rows + _recorded(group.id, "group.created", by=by, changes=changes, quiet=quiet))
        return GROUP.one(id=group.id) or b""


@retried
def update_group(group_id: UUID, *, by: Actor, values: Mapping[str, Any], expected: int | None = None) -> bytes:
    """Change what `values` names (roles and parents: as a whole) and return the document.

    What already is so makes no event and no version. Raises GroupNotFound, VersionMismatch where `expected` is not the
    group's version, Cycle, NameTaken, Invalid.
    """
    with owner_stays(lambda: True):
        group = locked_group(group_id, by=by)
        if expected is not None and group.version != expected:
            raise VersionMismatch
        held = list(Role.objects.filter(group_links__group_id=group_id).order_by("name"))
        lay = sorted(GroupParent.objects.filter(group_id=group_id).values_list("parent_id", flat=True))
        before = _shown(group, held, lay)
        _named(group, {"name": group.name} | dict(values))
        roles = check_roles(values["roles"]) if "roles" in values else held
        parents = _parents(values) if "parent_links" in values else lay
        after = _shown(group, roles, parents)
        changes = {name: {"old": before[name], "new": new} for name, new in after.items() if new != before[name]}
        if not changes:
            return GROUP.one(id=group_id) or b""
        _check_given(roles, parents, by=by)
        _check_found(closure.stored(parents), parents)
        rows, gone = _links(group_id, held, roles, lay, parents)
        rows += _recorded(group_id, "group.updated", by=by, changes=changes)
        columns = ("name", "name_normal", "description")
        _write(rows, change=Change(group, columns, group.version), remove=gone)
        if parents != lay:
            closure.rebuild(closure.below(group_id))
        if {"roles", "parents"} & changes.keys():
            rights_changed()
        return GROUP.one(id=group_id) or b""


@retried
def delete_group(group_id: UUID, *, by: Actor, expected: int | None = None) -> None:
    """Remove a group; its members stay people, and what lay below it loses it. Raises as update_group, TooManyMembers.

    One event, about the group, stands for the end of all its memberships.
    """
    with owner_stays(lambda: True):
        group = locked_group(group_id, by=by)
        if expected is not None and group.version != expected:
            raise VersionMismatch
        members = Membership._base_manager.filter(group_id=group_id)
        count = members.values("user_id")[: MEMBERS_DELETED_MAX + 1].count()
        if count > MEMBERS_DELETED_MAX:
            raise TooManyMembers
        members._raw_delete(router.db_for_write(Membership))
        _end(group, members=count, by=by)
        Group._base_manager.filter(pk=group_id).delete()


@retried
def close_group(group_id: UUID, *, by: Actor, expected: int | None = None) -> int:
    """End a group that has too many members to be deleted at once, and return how many there are.

    From then on it grants nothing, its name is free, no call finds it, and nobody comes in: what is left is for
    remove_closed. Raises as delete_group.
    """
    with owner_stays(lambda: ADMIN in permissions_of_group(group_id)):
        group = locked_group(group_id, by=by)
        if expected is not None and group.version != expected:
            raise VersionMismatch
        count = Membership._base_manager.filter(group_id=group_id).count()
        _end(group, members=count, by=by)
        for links in (GroupParent, GroupRole, GroupClosure):
            links._base_manager.filter(group_id=group_id).delete()
        Group._base_manager.filter(pk=group_id).update(closed=True, name_normal=str(group_id))
    return count


def remove_closed(group_id: UUID, *, behind: UUID, rows: int) -> tuple[UUID | None, int]:
    """Remove some members of a closed group, behind an id; return the last one's, and how many. Then the group goes."""
    members = Membership._base_manager.filter(group_id=group_id, user_id__gt=behind).order_by("user_id")
    ids = list(members.values_list("user_id", flat=True)[:rows])
    if not ids:
        Group._base_manager.filter(pk=group_id, closed=True).delete()
        return None, 0
    gone = Membership._base_manager.filter(group_id=group_id, user_id__gt=behind, user_id__lte=ids[-1])
    gone._raw_delete(router.db_for_write(Membership))
    return ids[-1], len(ids)


def _end(group: Group, *, members: int, by: Actor) -> None:
    """Let what lies below a group lose it, and record its end."""
    orphans = [one for one in closure.below(group.id) if one != group.id]
    if permissions_of_group(group.id):
        rights_changed()
    GroupParent._base_manager.filter(parent_id=group.id).delete()
    closure.rebuild(orphans)
    changes = {"name": {"old": group.name, "new": None}, "members": {"old": members, "new": 0}}
    write(_recorded(group.id, "group.deleted", by=by, changes=changes))


@retried
def change_members(
    group_id: UUID, *, by: Actor, add: Sequence[UUID] = (), remove: Sequence[UUID] = (), quiet: bool = False
) -> tuple[list[UUID], list[UUID]]:
    """Add and remove people, all or none, and nobody else; return who was really added and removed.

    Who is in already, or was not in, is passed over. Raises GroupNotFound, LastOwner, Invalid for more than
    MEMBERS_MAX, for somebody in both lists, and (`not_found`) for somebody to add who is not there.
    """
    _check_members(add, remove)
    with owner_stays(lambda: ADMIN in permissions_of_group(group_id)):
        group = locked_group(group_id, by=by)
        # Locked in one order, also against their erasure: the outbox keeps the order of one person's events.
        people = User._base_manager.select_for_update().filter(pk__in=[*add, *remove]).order_by("pk")
        there = set(people.values_list("pk", flat=True))
        if missing := [place for place, one in enumerate(add) if one not in there]:
            raise Invalid("not_found", "Nobody has this id.", f"add/{missing[0]}")
        may_act_on_all(there, by)
        members = Membership._base_manager.filter(group_id=group_id, user_id__in=[*add, *remove])
        inside = set(members.values_list("user_id", flat=True))
        added = [one for one in dict.fromkeys(add) if one not in inside]
        removed = [one for one in dict.fromkeys(remove) if one in inside]
        at = now()
        members.filter(user_id__in=removed).delete()
        Membership._base_manager.bulk_create(Membership(user_id=one, group_id=group_id, since=at) for one in added)
        _record_members(group, added, removed, by=by, at=at, quiet=quiet)
        write_along({"added": [str(one) for one in added], "removed": [str(one) for one in removed]})
        if (added or removed) and permissions_of_group(group_id):
            rights_changed()
    return added, removed


@retried
def change_roles(
    user_id: UUID, *, by: Actor, add: Collection[str] = (), remove: Collection[str] = (), quiet: bool = False
) -> list[str]:
    """Give a person roles and take roles from them, by name; return the names of those they now hold directly.

    Raises UserNotFound, LastOwner, Invalid for a role that is not there or is in both lists.
    """
    may_act_on(user_id, by)
    new, gone = check_roles(add, "add"), check_roles(remove, "remove")
    if {role.id for role in new} & {role.id for role in gone}:
        raise Invalid("invalid", "A role is in both lists.", "remove")
    _check_given(new, (), by=by)
    with owner_stays(lambda: any(ADMIN in role.permissions for role in (*new, *gone)) or holds_owner(user_id)):
        if not User._base_manager.select_for_update().filter(pk=user_id).exists():
            raise UserNotFound
        may_act_on(user_id, by)  # once more: whoever gave them a role meanwhile has held this row
        before = roles_of(user_id)
        rows = [RoleAssignment(user_id=user_id, role_id=role.id) for role in new if role.name not in before]
        left = [RoleAssignment(user_id=user_id, role_id=role.id) for role in gone if role.name in before]
        after = sorted({*before, *(role.name for role in new)} - {role.name for role in gone})
        if after != before:
            changes = {"roles": {"old": before, "new": after}}
            event = recorded(
                subject_id=user_id,
                subject_kind="user",
                action="user.roles_changed",
                by=by,
                at=now(),
                changes=changes,
                quiet=quiet,
            )
            write([*rows, *event], remove=left)
            rights_changed()
    return after


def check_roles(names: Iterable[str], field: str = "roles") -> list[Role]:
    """Return the roles of these names, sorted by name. Raises Invalid."""
    wanted = set(names)
    found = list(Role.objects.filter(name__in=wanted).order_by("name"))
    if len(found) < len(wanted):
        known = ", ".join(Role.objects.order_by("name").values_list("name", flat=True)[:50])
        raise Invalid("unknown_role", f"There is no such role; there are {known}.", field)
    return found


def _named(group: Group, values: Mapping[str, Any]) -> Group:
    name = values.get("name", "")
    if not name.strip():
        raise Invalid("required", "A group needs a name.", "name")
    group.name, group.name_normal = name, name_normal(name)
    group.description = values.get("description", group.description)
    return group


def _parents(values: Mapping[str, Any]) -> list[UUID]:
    return sorted({link["parent_id"] for link in values.get("parent_links", ())})


def _check_given(roles: Iterable[Role], parents: Iterable[UUID], *, by: Actor) -> None:
    """Raise Forbidden where these would give somebody what the actor does not hold."""
    for role in roles:
        check_held(expanded(role.permissions), by=by)
    for parent in parents:
        check_held(permissions_of_group(parent), by=by)


def _check_found(ways: Mapping[UUID, closure.Above], parents: Iterable[UUID]) -> None:
    if not all(ways[parent] for parent in parents):
        raise Invalid("not_found", "No group has this id.", "parents")


def _shown(group: Group, roles: Iterable[Role], parents: Iterable[UUID]) -> dict[str, Any]:
    """Return the group's values as events show them."""
    return {
        "name": group.name,
        "description": group.description,
        "roles": [role.name for role in roles],
        "parents": [str(parent) for parent in parents],
    }


def _links(
    group_id: UUID, held: Sequence[Role], roles: Sequence[Role], lay: Sequence[UUID], parents: Sequence[UUID]
) -> tuple[list[Model], list[Model]]:
    """Return the rows to add and those to remove for a group's roles and parents."""
    old, new = {role.id for role in held}, {role.id for role in roles}
    rows: list[Model] = [GroupRole(group_id=group_id, role_id=one) for one in new - old]
    gone: list[Model] = [GroupRole(group_id=group_id, role_id=one) for one in old - new]
    rows += [GroupParent(group_id=group_id, parent_id=one) for one in set(parents) - set(lay)]
    gone += [GroupParent(group_id=group_id, parent_id=one) for one in set(lay) - set(parents)]
    return rows, gone


def _write(rows: Sequence[Model], *, change: Change | None = None, remove: Sequence[Model] = ()) -> None:
    try:
        write(rows, change=change, remove=remove)
    except Duplicate as duplicate:
        if duplicate.model is not Group:
            raise
        raise NameTaken from duplicate


def _recorded(
    group_id: UUID, action: str, *, by: Actor, changes: Mapping[str, Any], quiet: bool = False
) -> list[Model]:
    return recorded(
        subject_id=group_id, subject_kind="group", action=action, by=by, at=now(), changes=changes, quiet=quiet
    )


def _check_members(add: Sequence[UUID], remove: Sequence[UUID]) -> None:
    if len(add) + len(remove) > MEMBERS_MAX:
        raise Invalid("too_many", f"At most {MEMBERS_MAX:,} people a call.", "add" if add else "remove")
    if set(add) & set(remove):
        raise Invalid("invalid", "Somebody is in both lists.", "remove")


def _record_members(
    group: Group, added: Iterable[UUID], removed: Iterable[UUID], *, by: Actor, at: datetime, quiet: bool
) -> None:
    """Write one event for each person, in whose subject it is; a thousand of them in two statements."""
    shown = {"id": str(group.id), "name": group.name}
    told = [(one, "group.member_added", {"old": None, "new": shown}) for one in added]
    told += [(one, "group.member_removed", {"old": shown, "new": None}) for one in removed]
    pairs = [
        recorded(
            subject_id=one,
            subject_kind="user",
            action=action,
            by=by,
            at=at,
            changes={"group": change},
            quiet=quiet,
        )
        for one, action, change in told
    ]
    for rows in zip(*pairs, strict=True):  # events, then their outbox rows
        type(rows[0])._base_manager.bulk_create(rows)
