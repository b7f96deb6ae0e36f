"""What may be asked of the log: each filter's value as it is compared."""

import re
from collections.abc import Mapping
from typing import Any

from populace.audit.lists import Listing
from populace.users.errors import Invalid, Refused
from populace.users.filters import moment, uuid

ACTION = re.compile(r"[a-z_]+(\.[a-z_]+)*", re.ASCII)
ACTION_MAX = 64


def action(raw: str) -> str:
    """Return an action's name such as user.created; raises Invalid."""
    if len(raw) > ACTION_MAX or not ACTION.fullmatch(raw):
        raise Invalid("invalid", "An action such as user.created.")
    return raw


EVENT_FILTERS = {"subject": uuid, "actor": uuid, "action": action, "from": moment, "to": moment}
"""Each with what parses its value; `from` is inclusive, `to` is not."""


def events_listed(parameters: Mapping[str, str]) -> Listing:
    """Return the list that these parameters ask for, the others left aside; raises Refused about the first at fault."""
    values: dict[str, Any] = {}
    for name in EVENT_FILTERS:
        if (raw := parameters.get(name)) is not None:
            try:
                values[name] = EVENT_FILTERS[name](raw)
            except Invalid as error:
                raise Refused(error.code, name, error.detail) from error
    listing = Listing(values)
    if values and not listing.filters:
        raise Refused("order_not_served", next(iter(values)), "Times need a subject, an actor or an action.")
    return listing
