"""What stands before a verb about a person. Rights are known to higher folders, which register their guards here."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from uuid import UUID

from populace.audit.actors import Actor

ACTING: list[Callable[[UUID, Actor], None]] = []
"""Each raises Forbidden where the actor may not act on the person."""

LEAVING: list[Callable[[UUID], AbstractContextManager[None]]] = []
"""Each is held around the write that shuts a person out or removes them, and adds to it or raises LastOwner."""


def may_act(user_id: UUID, *, by: Actor) -> None:
    """Raise Forbidden unless the actor may act on this person. Nobody there: no refusal, the verb finds out."""
    for guard in ACTING:
        guard(user_id, by)


@contextmanager
def leaving(user_id: UUID) -> Iterator[None]:
    """Hold the block, in which the person is shut out or removed, to what must or must never come of that."""
    with ExitStack() as stack:
        for guard in LEAVING:
            stack.enter_context(guard(user_id))
        yield
