"""The verbs that put many people into many groups at once, for imports: the same few statements, however many.

Groups go by name. A name that begins with a slash is a path: `/a/b` lies below `/a`.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID

from django.db.models import OuterRef
from django.utils.timezone import now

from populace.audit.actions import recorded
from populace.audit.actors import Actor
from populace.audit.permissions import ADMIN
from populace.groups.actions import create_group
from populace.groups.closure import DEPTH_MAX
from populace.groups.errors import GroupNotFound
from populace.groups.guards import owner_stays, rights_changed
from populace.groups.models import Group, Membership
from populace.groups.reads import granted_to_group, permissions_in
from populace.users.errors import Forbidden, Invalid
from populace.users.identifiers import name_normal
from populace.users.profile import TEXT_MAX, line

_steps = re.compile(r"(?<!~)/").split  # Keycloak writes a slash within a group's name as ~/

WRITE = "groups:write"


def check_name(name: str) -> None:
    """Raise Invalid unless a group may have this name."""
    if not name.strip():
        raise Invalid("required", "A group needs a name.", "groups")
    if len(name) > TEXT_MAX or len(_path(name)) > DEPTH_MAX:
        raise Invalid("max_length", f"A group's name has at most {TEXT_MAX} characters, {DEPTH_MAX} steps.", "groups")
    try:
        line(name)
    except Invalid as invalid:
        raise Invalid(invalid.code, invalid.detail, "groups") from None


def make_missing(names: Collection[str], *, by: Actor) -> None:
    """Make the groups of these names that there are not, and those on the way to them, without any rights.

    Each is a commit of its own. Raises Forbidden, NameTaken where somebody was faster, Invalid.
    """
    wanted = {name_normal(step): step for name in names for step in _path(name)}
    there = dict(Group.objects.filter(name_normal__in=wanted).values_list("name_normal", "id"))
    for normal, name in sorted(wanted.items(), key=lambda item: len(_path(item[1]))):
        if normal not in there:
            if WRITE not in by.permissions:
                raise Forbidden
            above = [there[name_normal(step)] for step in _path(name)[:-1][-1:]]
            values = {"name": name, "parent_links": [{"parent_id": one} for one in above]}
            there[normal] = UUID(json.loads(create_group(by=by, values=values, quiet=True))["id"])


@contextmanager
def joining(names: Collection[str], *, by: Actor, all_there: bool = True) -> Iterator[dict[str, Group]]:
    """Hold a transaction in which people come into groups, and give the groups by `name_normal`, locked.

    What is not there is left out, or raises GroupNotFound where `all_there`. Raises LastOwner.
    """
    if not names:
        yield {}
        return
    normals = {name_normal(name) for name in names}

    def make_owners() -> bool:
        return any(ADMIN in permissions for permissions in _permissions(normals).values())

    with owner_stays(make_owners):
        rows = Group._base_manager.select_for_update().filter(name_normal__in=normals).order_by("pk")
        groups = {group.name_normal: group for group in rows}
        if all_there and len(groups) < len(normals):
            raise GroupNotFound
        yield groups
        if any(_permissions(normals).values()):
            rights_changed()


def beyond(names: Collection[str], *, by: Actor) -> set[str]:
    """Return those of these names whose groups permit more than the actor may, or that the actor may not fill."""
    if not names or ADMIN in by.permissions:
        return set()
    if WRITE not in by.permissions:
        return set(names)
    permitted = _permissions({name_normal(name) for name in names})
    return {name for name in names if not permitted.get(name_normal(name), frozenset()) <= by.permissions}


def add_members(wanted: Mapping[UUID, Iterable[Group]], *, newcomers: Collection[UUID], by: Actor) -> set[UUID]:
    """Put each person into their groups, quietly; return who was not in all of theirs before.

    Within joining(). `newcomers` are in no group yet, so nobody looks.
    """
    inside = _inside({user_id for user_id in wanted if user_id not in newcomers})
    pairs = {(user_id, group.id): group for user_id, groups in wanted.items() for group in groups}
    added = {pair: group for pair, group in pairs.items() if pair not in inside}
    at = now()
    Membership._base_manager.bulk_create(Membership(user_id=one, group_id=group, since=at) for one, group in added)
    told = [
        recorded(
            subject_id=user_id,
            subject_kind="user",
            action="group.member_added",
            by=by,
            at=at,
            changes={"group": {"old": None, "new": {"id": str(group.id), "name": group.name}}},
            quiet=True,
        )
        for (user_id, _), group in added.items()
    ]
    for rows in zip(*told, strict=True):  # events, then their outbox rows
        type(rows[0])._base_manager.bulk_create(rows)
    return {user_id for user_id, _ in added}


def _inside(user_ids: Collection[UUID]) -> set[tuple[UUID, UUID]]:
    members = Membership.objects.filter(user_id__in=user_ids)
    return set(members.values_list("user_id", "group_id")) if user_ids else set()


def _permissions(normals: Collection[str]) -> dict[str, frozenset[str]]:
    """Return what being in each of these groups permits."""
    found = Group.objects.filter(name_normal__in=normals).values_list("name_normal", granted_to_group(OuterRef("pk")))
    return {normal: permissions_in((granted or "").encode()) for normal, granted in found}


def _path(name: str) -> list[str]:
    """Return the names of the groups from the top down to this one."""
    if not name.startswith("/"):
        return [name]
    parts = [part for part in _steps(name) if part]
    return ["/" + "/".join(parts[: place + 1]) for place in range(len(parts))] or [name]
