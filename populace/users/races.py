"""Changing one person's row while others change it, too."""

from collections.abc import Callable
from contextlib import nullcontext, suppress
from uuid import UUID

from populace.infra.db.retry import atomic
from populace.infra.db.write import Stale
from populace.users.errors import UserNotFound, VersionMismatch
from populace.users.models import User

TRIES = 3
"""Looks at the row without a lock; a change without a stated version is then made under one, so that it cannot lose."""


def on_row[T](user_id: UUID, attempt: Callable[[User], T], *, expected: int | None) -> T:
    """Return what `attempt` makes of the person's row; where it raises Stale, of what replaced that row.

    Without a lock first: a verb sent as one statement costs a third of one in a transaction. Raises UserNotFound, and
    VersionMismatch where `expected` is not the person's version.
    """
    for number in range(TRIES + 1):
        locked = number == TRIES
        with atomic(User) if locked else nullcontext():
            rows = User._base_manager.filter(pk=user_id)
            user = (rows.select_for_update() if locked else rows).first()
            if user is None:
                raise UserNotFound
            if expected is not None and user.version != expected:
                raise VersionMismatch
            with suppress(Stale):
                return attempt(user)
    raise VersionMismatch  # not reached: nobody changes a locked row
