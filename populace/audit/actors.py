"""Who did it: what every event says about the person or program behind a change, and what verbs let them do."""

from dataclasses import dataclass
from uuid import NAMESPACE_URL, UUID, uuid5

from populace.audit.permissions import ALL


@dataclass(frozen=True, slots=True)
class Actor:
    """The author of a change; `address` and `user_agent` are personal and end up in `Event.details` alone.

    `permissions` are those of the person within the scopes of the token; none unless said. `token_id`: the token that
    the request came with.
    """

    id: UUID
    request_id: str = ""
    address: str = ""
    user_agent: str = ""
    permissions: frozenset[str] = frozenset()
    token_id: UUID | None = None


# A name-based id (RFC 9562 section 5.5), so that every installation and process has the same one without a row for it.
SYSTEM = Actor(uuid5(NAMESPACE_URL, "populace:system"), permissions=ALL)
"""The installation itself: first start, the worker, the command line."""
