"""Which groups lie above which: kept whenever a group's parents change."""

from collections.abc import Collection, Iterable
from uuid import UUID

from populace.groups.errors import Cycle
from populace.groups.models import GroupClosure, GroupParent
from populace.users.errors import Invalid

DEPTH_MAX = 20  # groups above one another
BELOW_MAX = 10_000  # groups whose closure one call writes anew: seconds

type Above = dict[UUID, int]
"""The groups above one, itself included, each with the length of the shortest way."""


def stored(group_ids: Collection[UUID]) -> dict[UUID, Above]:
    """Return what the database says lies above each of these groups."""
    found: dict[UUID, Above] = {one: {} for one in group_ids}
    for link in GroupClosure.objects.filter(group_id__in=group_ids):
        found[link.group_id][link.ancestor_id] = link.depth
    return found


def above(group_id: UUID, parents: Iterable[Above]) -> Above:
    """Return what lies above a group, given what lies above its parents. Raises Invalid where that is too deep."""
    found: Above = {group_id: 0}
    for parent in parents:
        for ancestor, depth in parent.items():
            found[ancestor] = min(depth + 1, found.get(ancestor, depth + 1))
    if max(found.values()) > DEPTH_MAX:
        raise Invalid("too_deep", f"At most {DEPTH_MAX} groups lie above one another.", "parents")
    return found


def rows(group_id: UUID, found: Above) -> list[GroupClosure]:
    """Return the rows that say so."""
    return [GroupClosure(group_id=group_id, ancestor_id=ancestor, depth=depth) for ancestor, depth in found.items()]


def below(group_id: UUID) -> list[UUID]:
    """Return the group and all below it. Raises Invalid where they are too many to be changed at once."""
    links = GroupClosure.objects.filter(ancestor_id=group_id)
    found = list(links.values_list("group_id", flat=True)[: BELOW_MAX + 1])
    if len(found) > BELOW_MAX:
        raise Invalid("too_many", f"More than {BELOW_MAX:,} groups lie below.", "parents")
    return found


def rebuild(group_ids: Collection[UUID]) -> None:
    """Write the closure anew of groups that have, or lie below one that has, other parents than before.

    Raises Cycle, Invalid where one of them comes to lie too deep.
    """
    parents: dict[UUID, set[UUID]] = {one: set() for one in group_ids}
    for child, parent in GroupParent.objects.filter(group_id__in=group_ids).values_list("group_id", "parent_id"):
        parents[child].add(parent)
    known = stored({parent for those in parents.values() for parent in those} - set(group_ids))
    waiting = set(group_ids)
    while waiting:
        ready = {one for one in waiting if not parents[one] & waiting}
        if not ready:  # each waits for another: so do those above themselves
            raise Cycle
        known |= {one: above(one, (known[parent] for parent in parents[one])) for one in ready}
        waiting -= ready
    _replace(stored(group_ids), known)


def _replace(old: dict[UUID, Above], new: dict[UUID, Above]) -> None:
    """Bring the database from one closure to the other by what differs."""
    gone = [
        (one, ancestor) for one, found in old.items() for ancestor, d in found.items() if new[one].get(ancestor) != d
    ]
    come = {one: {a: d for a, d in new[one].items() if found.get(a) != d} for one, found in old.items()}
    for start in range(0, len(gone), 500):
        GroupClosure._base_manager.filter(pk__in=gone[start : start + 500]).delete()
    added = [row for one, found in come.items() for row in rows(one, found)]
    GroupClosure._base_manager.bulk_create(added, batch_size=1000)
