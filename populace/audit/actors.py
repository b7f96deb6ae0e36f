"""Who did it: what every event says about the person or program behind a change."""

from dataclasses import dataclass
from uuid import NAMESPACE_URL, UUID, uuid5


@dataclass(frozen=True, slots=True)
class Actor:
    """The author of a change; `address` and `user_agent` are personal and end up in `Event.details` alone."""

    id: UUID
    request_id: str = ""
    address: str = ""
    user_agent: str = ""


# A name-based id (RFC 9562 section 5.5), so that every installation and process has the same one without a row for it.
SYSTEM = Actor(uuid5(NAMESPACE_URL, "populace:system"))
"""The installation itself: first start, the worker, the command line."""
