"""What stands before a verb about a person. Rights are known to higher folders, which register their guards here."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from uuid import UUID

from populace.audit.actors import Actor

ACTING: list[Callable[[UUID, Actor], None]] = []
"""Each raises Forbidden where the actor may not act on the person."""

BEYOND: list[Callable[[Collection[UUID], Actor], set[UUID]]] = []
"""Each returns those of many people on whom the actor may not act, in a few statements however many they are."""

LEAVING: list[Callable[[Collection[UUID]], AbstractContextManager[None]]] = []
"""Each is held around the write that shuts people out or removes them, and adds to it or raises LastOwner.

Whoever turns out to stay is taken out of the collection within the block: a guard reads it anew at the end.
"""


def may_act(user_id: UUID, *, by: Actor) -> None:
    """Raise Forbidden unless the actor may act on this person. Nobody there: no refusal, the verb finds out."""
    for guard in ACTING:
        guard(user_id, by)


def beyond(user_ids: Collection[UUID], *, by: Actor) -> set[UUID]:
    """Return those of these people on whom may_act would raise Forbidden."""
    return {one for guard in BEYOND for one in guard(user_ids, by)}


@contextmanager
def leaving(user_ids: Collection[UUID]) -> Iterator[None]:
    """Hold the block, in which these people are shut out or removed, to what must or must never come of that."""
    with ExitStack() as stack:
        for guard in LEAVING:
            stack.enter_context(guard(user_ids))
        yield
