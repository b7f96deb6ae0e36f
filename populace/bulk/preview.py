"""What a bulk action would do, without doing it: to how many, to whom for example, and who is left out and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.timezone import now

from populace.audit.actors import Actor
from populace.bulk.bulk_actions import LEAVING, REASONS
from populace.bulk.chosen import Chosen, may
from populace.bulk.confirming import UNCONFIRMED, token_of
from populace.groups.guards import holding, roles_beyond
from populace.groups.models import Membership
from populace.groups.reads import OWNER_ID
from populace.users.counts import exact
from populace.users.errors import Forbidden
from populace.users.models import User

SAMPLES = 20
OWNERS_LOOKED_AT = 1_000

REASONS_SHOWN = REASONS | {"already": "It is so already."}


class Sample(NamedTuple):
    """Somebody, as a preview shows them."""

    id: UUID
    username: str
    email: str
    first_name: str
    last_name: str

    def document(self) -> dict[str, str]:
        """Return it as JSON."""
        return self._asdict() | {"id": str(self.id)}


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be done."""

    count: int
    """Everybody whom it is about."""
    samples: list[Sample]
    """Some of those whom it would change."""
    excluded: Mapping[str, int]
    """Why nothing comes of others (a code of REASONS_SHOWN), and of how many; the first reason counts."""
    confirm: str
    """What the call itself may carry as `confirm`."""

    @property
    def changed(self) -> int:
        """Return how many it would change."""
        return self.count - sum(self.excluded.values())

    @property
    def told(self) -> list[tuple[str, int]]:
        """Return why nothing comes of others, in words, and of how many."""
        return [(REASONS_SHOWN[code], number) for code, number in self.excluded.items()]

    @property
    def must_be_confirmed(self) -> bool:
        """Tell whether the call must carry `confirm`."""
        return self.count > UNCONFIRMED

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        told = [{"code": code, "reason": REASONS_SHOWN[code], "count": n} for code, n in self.excluded.items()]
        return {
            "count": self.count,
            "changed": self.changed,
            "samples": [sample.document() for sample in self.samples],
            "excluded": told,
            "must_be_confirmed": self.must_be_confirmed,
            "confirm": self.confirm,
        }


def preview_of(chosen: Chosen, *, by: Actor) -> Preview:
    """Return what would be done. Raises Forbidden, Refused where the people cannot be counted in time."""
    if not may(chosen.action, by):
        raise Forbidden
    at = now()
    people = chosen.people(by).filter(date_joined__lte=at)
    there = count = exact(people, "filter")
    excluded = dict[str, int]()
    if chosen.ids is not None:
        count = len(set(chosen.ids))
        excluded["not_found"] = count - there
    for code, condition in _conditions(chosen, by, people):
        excluded[code] = exact(people.filter(condition), "filter")
        people = people.exclude(condition)
    names = Sample._fields
    samples = [Sample(*values) for values in people.values_list(*names)[:SAMPLES]]
    excluded = {code: number for code, number in excluded.items() if number}
    return Preview(count, samples, excluded, token_of(chosen, count, at, by=by))


def _conditions(chosen: Chosen, by: Actor, people: QuerySet[User]) -> list[tuple[str, Q]]:
    """Return for which reasons people are left out, and the condition of each, in the order of the job."""
    found = []
    if stronger := roles_beyond(by):
        found.append(("forbidden", holding(stronger)))
    if chosen.action in LEAVING:
        found.append(("oneself", Q(pk=by.id)))
        if last := _last_owner(people, by):
            found.append(("last_owner", Q(pk=last)))
    if (already := _already(chosen)) is not None:
        found.append(("already", already))
    return found


def _last_owner(people: QuerySet[User], by: Actor) -> UUID | None:
    """Return the owner who would stay, if these people were all active owners that there are."""
    owners = User.objects.filter(holding([OWNER_ID]), is_active=True).order_by("pk")
    ids = list(owners.values_list("pk", flat=True)[:OWNERS_LOOKED_AT])
    leaving = people.filter(pk__in=ids).exclude(pk=by.id).count()
    return ids[0] if ids and leaving == len(ids) < OWNERS_LOOKED_AT else None


def _already(chosen: Chosen) -> Q | None:
    """Return the condition that nothing would change; None where that is found out by doing it."""
    if chosen.group is not None:
        inside = Q(Exists(Membership.objects.filter(user_id=OuterRef("pk"), group_id=chosen.group)))
        return inside if chosen.action == "add_to_group" else ~inside
    if chosen.action in ("activate", "deactivate"):
        return Q(is_active=chosen.action == "activate")
    if chosen.action == "update" and "attributes" not in chosen.values:
        return Q(**chosen.values)
    return None
