"""What people and groups may do, and how groups are shown: statements compiled once per process."""

import re
from collections.abc import Collection, Sequence
from functools import cache, lru_cache
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from django.db.models import Func, OuterRef, QuerySet, Subquery, TextField
from django.db.models.functions import Cast

from populace.audit.permissions import expanded
from populace.groups.documents import GroupDocument, MemberDocument
from populace.groups.models import Group, GroupClosure, GroupRole, Membership, RightsVersion, Role, RoleAssignment
from populace.infra.db.compiled import Compiled, Param
from populace.infra.db.documents import document
from populace.infra.db.joined import Joined
from populace.infra.db.lookups import after
from populace.users.models import User

OWNER_ID = uuid5(NAMESPACE_URL, "populace:role:owner")
"""The shipped role that may do everything; its row is also the lock of everything that changes who holds it."""

_user = Param("id", User._meta.get_field("id"))
_group = Param("id", Group._meta.get_field("id"))
_names = re.compile(rb'"([a-z:]+)"').findall


def _granted(links: QuerySet[Any]) -> Joined:
    """Return the permission lists of the roles that rows with a `role_id` name, as one text."""
    role = Role.objects.order_by().filter(pk=OuterRef("role_id"))
    permissions = Subquery(role.values(text=Cast("permissions", TextField())))
    return Joined(links.order_by().values(item=permissions))


def granted_directly(user_id: Any) -> Joined:
    """Return the column of what a person's own roles permit; `user_id` is a Param or an OuterRef."""
    return _granted(RoleAssignment.objects.filter(user_id=user_id))


def granted_to_group(group_id: Any) -> Joined:
    """Return the column of what a group, or one above it, permits its members."""
    above = GroupClosure.objects.order_by().filter(group_id=group_id)
    return Joined(above.values(item=_granted(GroupRole.objects.filter(group_id=OuterRef("ancestor_id")))))


def granted_by_groups(user_id: Any) -> Joined:
    """Return the column of what a person's groups permit."""
    memberships = Membership.objects.order_by().filter(user_id=user_id)
    return Joined(memberships.values(item=granted_to_group(OuterRef("group_id"))))


@lru_cache(1024)
def permissions_in(*granted: bytes | None) -> frozenset[str]:
    """Return the permissions that `granted_…` columns hold."""
    return expanded(name.decode() for column in granted for name in _names(column or b""))


RIGHTS_VERSION = Subquery(RightsVersion.objects.order_by().filter(pk=1).values("value"))
"""The column of a number that every change of what anybody may do makes larger, in the same transaction."""

PERMISSIONS = Compiled(
    User.objects.order_by().filter(pk=_user).values_list(granted_directly(_user), granted_by_groups(_user))
)
GROUP_PERMISSIONS = Compiled(Group.objects.order_by().filter(pk=_group).values_list(granted_to_group(_group)))

_open = Group.objects.order_by().filter(pk=_group, closed=False)
GROUP = Compiled(_open.values_list(document(GroupDocument, owner=_group)))
"""`GROUP.one(id=…)`: the group's document; None where there is none."""

ROWS = (21, 51, 101, 201)
"""Rows of a statement of a list: a page, and one that tells whether there is another."""


@cache
def groups(*, descending: bool) -> Compiled:
    """Return the statement of a page of groups, by name; its rows are (document, name as compared)."""
    return by_name(document(GroupDocument), ROWS, descending=descending)


def by_name(shown: Func, rows: Sequence[int], *, descending: bool = False) -> Compiled:
    """Return the statement of groups by name, shown by an expression and with as many rows as one of `rows`."""
    sign, side = ("-", "lt") if descending else ("", "gt")
    behind = {f"name_normal__{side}": Param("name", Group._meta.get_field("name_normal"))}
    found = Group.objects.filter(**behind, closed=False).order_by(f"{sign}name_normal")
    return Compiled(found.values_list(shown, "name_normal"), limits=rows)


@cache
def members(*, descending: bool) -> Compiled:
    """Return the statement of a page of a group's members, in the order of their ids; its rows are (document, id).

    The group is a bound of the walk, not a constant: where one group is large and most are small, the generic plan
    for a constant would gather and sort the large one for every page.
    """
    sign, side = ("-", "gte") if descending else ("", "lte")
    place = {"group_id": _group, "user_id": Param("user", _user.output_field)}
    found = Membership.objects.filter(after(place, descending=descending), **{f"group_id__{side}": _group})
    walked = found.order_by(f"{sign}group_id", f"{sign}user_id")
    return Compiled(walked.values_list(document(MemberDocument), "user_id"), limits=ROWS)


def permissions_of(user_id: UUID) -> frozenset[str]:
    """Return what a person's roles permit, whatever token they use; nothing for somebody who is not there."""
    return permissions_in(*(PERMISSIONS.row(id=user_id) or ()))


def permissions_of_group(group_id: UUID) -> frozenset[str]:
    """Return what being in a group permits."""
    return permissions_in(*(GROUP_PERMISSIONS.row(id=group_id) or ()))


def roles_of(user_id: UUID) -> list[str]:
    """Return the names of the roles a person holds directly, sorted."""
    held = RoleAssignment.objects.filter(user_id=user_id)
    return sorted(held.values_list("role__name", flat=True))


def groups_with(role_id: UUID) -> QuerySet[GroupClosure, Any]:
    """Return the ids of the groups whose members hold a role, themselves or by a group above."""
    holders = GroupRole.objects.filter(role_id=role_id).values("group_id")
    return GroupClosure.objects.filter(ancestor_id__in=holders).values("group_id")


def holds_owner(user_id: UUID) -> bool:
    """Tell whether a person holds the role owner, directly or through a group."""
    return bool(owners_among([user_id]))


def owners_among(user_ids: Collection[UUID]) -> set[UUID]:
    """Return those of these people who hold the role owner, directly or through a group."""
    direct = RoleAssignment.objects.filter(user_id__in=user_ids, role_id=OWNER_ID).values_list("user_id", flat=True)
    through = Membership.objects.filter(user_id__in=user_ids, group_id__in=groups_with(OWNER_ID))
    return {*direct, *through.values_list("user_id", flat=True)}


def there_is_an_owner() -> bool:
    """Tell whether anybody active holds the role owner."""
    direct = RoleAssignment.objects.filter(role_id=OWNER_ID, user__is_active=True)
    return (
        direct.exists() or Membership.objects.filter(group_id__in=groups_with(OWNER_ID), user__is_active=True).exists()
    )
