"""The verb that puts a set of people into a group or takes them out, as users/many.py does."""

from collections.abc import Collection
from uuid import UUID

from django.db import router

from populace.audit.actors import Actor
from populace.audit.permissions import ADMIN
from populace.groups.guards import locked_group, owner_stays, rights_changed
from populace.groups.models import Membership
from populace.groups.reads import permissions_of_group
from populace.infra.db.retry import retried
from populace.users.many import ALREADY, Done, LeaveOut, locked, nobody, record


@retried
def move(user_ids: Collection[UUID], *, group_id: UUID, joining: bool, by: Actor, leave_out: LeaveOut = nobody) -> Done:
    """Add people to a group, or remove them. Raises GroupNotFound, Forbidden about the group, LastOwner."""
    done = Done()
    with owner_stays(lambda: ADMIN in permissions_of_group(group_id)):
        group = locked_group(group_id, by=by)
        people = {user.id for user in locked(user_ids, done, by=by, leave_out=leave_out)}
        members = Membership._base_manager.filter(group_id=group_id, user_id__in=people)
        inside = set(members.values_list("user_id", flat=True))
        changed = people - inside if joining else people & inside
        done.leave(people - changed, ALREADY)
        done.changed = sorted(changed)
        if joining:
            rows = (Membership(user_id=one, group_id=group_id, since=done.at) for one in done.changed)
            Membership._base_manager.bulk_create(rows)
        else:
            gone = Membership._base_manager.filter(group_id=group_id, user_id__in=done.changed)
            gone._raw_delete(router.db_for_write(Membership))
        shown = {"id": str(group.id), "name": group.name}
        change = {"old": None, "new": shown} if joining else {"old": shown, "new": None}
        action = "group.member_added" if joining else "group.member_removed"
        record(action, {one: {"group": change} for one in done.changed}, by=by, at=done.at)
        if changed and permissions_of_group(group_id):
            rights_changed()
    return done
