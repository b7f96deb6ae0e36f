"""Who may act on whom, who may give what, and that an owner stays."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from uuid import UUID

from django.db import router, transaction
from django.db.models import Exists, F, OuterRef, Q, TextField
from django.db.models.functions import Cast

from populace.audit.actors import Actor
from populace.audit.permissions import ADMIN, expanded
from populace.groups.errors import GroupNotFound
from populace.groups.models import Group, GroupClosure, GroupRole, Membership, RightsVersion, Role, RoleAssignment
from populace.groups.reads import (
    OWNER_ID,
    owners_among,
    permissions_in,
    permissions_of,
    permissions_of_group,
    there_is_an_owner,
)
from populace.infra.db.compiled import Compiled, ListParam
from populace.infra.db.locks import hold
from populace.infra.db.retry import atomic
from populace.users.errors import Forbidden, LastOwner
from populace.users.models import User

_people = ListParam("ids", User._meta.get_field("id"))
_groups = Membership.objects.order_by().filter(user_id__in=_people).values("group_id")
_above = GroupClosure.objects.order_by().filter(group_id__in=_groups).values("ancestor_id")
_held = Q(pk__in=RoleAssignment.objects.order_by().filter(user_id__in=_people).values("role_id")) | Q(
    pk__in=GroupRole.objects.order_by().filter(group_id__in=_above).values("role_id")
)

PERMISSIONS_OF_ALL = Compiled(Role.objects.order_by().filter(_held).values_list(Cast("permissions", TextField())))
"""The permission lists of every role that any of many people holds, directly or through a group."""


def may_act_on(user_id: UUID, by: Actor) -> None:
    """Raise Forbidden where the person holds a permission that the actor lacks; registered in users/guards.py."""
    if ADMIN not in by.permissions:
        check_held(permissions_of(user_id), by=by)


def may_act_on_all(user_ids: Collection[UUID], by: Actor) -> None:
    """Raise Forbidden where one of these people holds a permission that the actor lacks; one statement for all."""
    if ADMIN not in by.permissions and user_ids:
        check_held(permissions_in(*PERMISSIONS_OF_ALL.all(ids=user_ids)), by=by)


def held_beyond(user_ids: Collection[UUID], by: Actor) -> set[UUID]:
    """Return those of these people who hold a permission that the actor lacks; registered in users/guards.py.

    Two statements, and a third where some role permits more than the actor may at all.
    """
    if ADMIN in by.permissions or not user_ids or not (stronger := roles_beyond(by)):
        return set()
    people = User.objects.order_by().filter(pk__in=user_ids)
    return set(people.filter(holding(stronger)).values_list("pk", flat=True))


def roles_beyond(by: Actor) -> list[UUID]:
    """Return the roles that permit something that the actor may not do; none for who may do all."""
    if ADMIN in by.permissions:
        return []
    return [role.pk for role in Role.objects.order_by() if not expanded(role.permissions) <= by.permissions]


def holding(role_ids: Collection[UUID]) -> Q:
    """Return the condition that a person holds one of these roles, directly or through a group."""
    direct = RoleAssignment.objects.filter(user_id=OuterRef("pk"), role_id__in=role_ids)
    holders = GroupRole.objects.filter(role_id__in=role_ids).values("group_id")
    groups = GroupClosure.objects.filter(ancestor_id__in=holders).values("group_id")
    through = Membership.objects.filter(user_id=OuterRef("pk"), group_id__in=groups)
    return Q(Exists(direct)) | Q(Exists(through))


def check_held(permissions: frozenset[str], *, by: Actor) -> None:
    """Raise Forbidden unless the actor holds all of these."""
    if not permissions <= by.permissions:
        raise Forbidden


def owner_stays_without(user_ids: Collection[UUID]) -> AbstractContextManager[None]:
    """Hold a block that shuts people out; registered in users/guards.py. Raises LastOwner at its end."""
    return owner_stays(lambda: bool(owners_among(user_ids)))


def rights_changed() -> None:
    """Let every process read anew what people may do; in the transaction of the change.

    One row for all: such changes wait for one another until they commit.
    """
    RightsVersion.objects.filter(pk=1).update(value=F("value") + 1)


@contextmanager
def owner_stays(concerns_owners: Callable[[], bool]) -> Iterator[None]:
    """Hold a transaction after which somebody active is owner, if anybody was before; else raises LastOwner.

    What concerns owners has the role's row alone, so of two such blocks the second sees what the first did. All other
    blocks share it: nobody becomes an owner by one while another is about to shut that person out.
    """
    with atomic(Role):
        had_one = _held_alone(concerns_owners) and there_is_an_owner()
        yield
        if had_one and not there_is_an_owner():
            raise LastOwner


def _held_alone(concerns_owners: Callable[[], bool]) -> bool:
    """Lock the role's row; tell whether alone."""
    if not concerns_owners():
        with atomic(Role):
            hold(Role, OWNER_ID, alone=False)
            if not concerns_owners():
                return False
            # It does since a moment ago. Given back first: two who share it and want it alone wait for each other.
            transaction.set_rollback(True, using=router.db_for_write(Role))
    hold(Role, OWNER_ID, alone=True)
    return True


def locked_group(group_id: UUID, *, by: Actor) -> Group:
    """Return the group, locked until the transaction ends; raises Forbidden where it permits more than the actor."""
    group = Group._base_manager.select_for_update().filter(pk=group_id).first()
    if group is None or group.closed:
        raise GroupNotFound
    check_held(permissions_of_group(group_id), by=by)
    return group
