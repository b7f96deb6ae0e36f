"""Who may act on whom, who may give what, and that an owner stays."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from uuid import UUID

from django.db import router, transaction
from django.db.models import F

from populace.audit.actors import Actor
from populace.audit.permissions import ADMIN
from populace.groups.models import RightsVersion, Role
from populace.groups.reads import OWNER_ID, holds_owner, permissions_of, there_is_an_owner
from populace.infra.db.locks import hold
from populace.users.errors import Forbidden, LastOwner


def may_act_on(user_id: UUID, by: Actor) -> None:
    """Raise Forbidden where the person holds a permission that the actor lacks; registered in users/guards.py."""
    if ADMIN not in by.permissions:
        check_held(permissions_of(user_id), by=by)


def check_held(permissions: frozenset[str], *, by: Actor) -> None:
    """Raise Forbidden unless the actor holds all of these."""
    if not permissions <= by.permissions:
        raise Forbidden


def owner_stays_without(user_id: UUID) -> AbstractContextManager[None]:
    """Hold a block that shuts the person out; registered in users/guards.py. Raises LastOwner at its end."""
    return owner_stays(lambda: holds_owner(user_id))


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
    with transaction.atomic(using=router.db_for_write(Role)):
        alone = concerns_owners()
        hold(Role, OWNER_ID, alone=alone)
        if not alone and concerns_owners():  # since a moment ago
            hold(Role, OWNER_ID, alone=True)
            alone = True
        had_one = alone and there_is_an_owner()
        yield
        if had_one and not there_is_an_owner():
            raise LastOwner
