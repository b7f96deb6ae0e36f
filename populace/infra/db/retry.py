"""The one place where work is done anew because the database gave it up (design section 3).

    @retried
    def erase_user(...):
        with atomic(User):
            ...

Repeated are a deadlock, a serialization failure, and a connection that was lost before COMMIT was sent. After COMMIT,
or a statement that is its own transaction, was sent, nobody knows whether it happened: that is told (503), and the
client's Idempotency-Key settles it. A statement that failed by a deadlock has an answer: it did nothing.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from itertools import count
from time import monotonic, sleep

from django.db import DatabaseError, InterfaceError, connections, router, transaction
from django.db.models import Model

from populace.infra.db.along import waiting
from populace.infra.db.causes import Cause, cause_of
from populace.infra.db.pool import Silent
from populace.infra.telemetry.metrics import DB_ERRORS, DEADLOCK_RETRIES

REPEATS = 3
WITHIN_S = 3.0
"""No repeat begins later than this after the first try: a deadlock takes PostgreSQL a second to see."""

PAUSE_S = 0.02
"""Before the first repeat, half to one and a half times that at random; three times as long before each further one."""


class Attempt:
    """How far one try of a verb has come."""

    def __init__(self) -> None:
        self.sent = False  # a COMMIT, or a statement that is one, is on its way
        self.done = False  # and its success was told

    def bears_repeat(self, error: DatabaseError | InterfaceError) -> bool:
        """Tell whether nothing of it stays, and it is worth another try."""
        cause = cause_of(error)
        if cause is Cause.DEADLOCK:
            return not self.done
        return cause is Cause.LOST and not self.sent and not isinstance(error, Silent)


_present: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


def attempt_of(using: str) -> Attempt | None:
    """Return the try under way, for who is about to commit on this connection; None within a transaction."""
    return None if connections[using].in_atomic_block else _present.get()


@contextmanager
def atomic(model: type[Model]) -> Iterator[None]:
    """Hold a transaction on the model's database, or a savepoint within one; retried() learns how it ends."""
    using = router.db_for_write(model)
    attempt = attempt_of(using)
    with transaction.atomic(using=using):
        yield
        if attempt:
            attempt.sent = True
    if attempt:
        attempt.done = True


def retried[**P, T](verb: Callable[P, T]) -> Callable[P, T]:
    """Return the verb so that it is done anew up to REPEATS times; its arguments must bear being read twice.

    Within a transaction (imports, tests) or another such verb it is only done: who holds the whole repeats the whole.
    """

    @wraps(verb)
    def until_done(*args: P.args, **kwargs: P.kwargs) -> T:
        if _present.get() or any(one.in_atomic_block for one in connections.all(initialized_only=True)):
            return verb(*args, **kwargs)
        along, until = waiting(), monotonic() + WITHIN_S
        for repeats in count():
            attempt = Attempt()
            token = _present.set(attempt)
            try:
                return verb(*args, **kwargs)
            except (DatabaseError, InterfaceError) as error:
                if repeats == REPEATS or monotonic() > until or not attempt.bears_repeat(error):
                    raise
                _note(error)
            finally:
                _present.reset(token)
            if along:
                along.written = False  # rolled back with the rest
            sleep(PAUSE_S * 3**repeats * random.uniform(0.5, 1.5))  # noqa: S311
        raise AssertionError("not reached")

    return until_done


def _note(error: DatabaseError | InterfaceError) -> None:
    """Count a try that failed; a lost connection makes room for another."""
    if cause_of(error) is Cause.DEADLOCK:
        DEADLOCK_RETRIES.inc()
    else:
        DB_ERRORS.inc()
        connections.close_all()
