"""A list of the log: what it is narrowed by, and what its statement is given for the place that it goes on from."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from populace.audit.reads import WALKS
from populace.infra.db.fields import FOREVER, NEVER
from populace.infra.db.ids import FIRST_ID, LAST_ID

LAST_SEQ = (1 << 63) - 1

type Key = tuple[str, ...]
"""Behind which row a list goes on: (seq,) or (at, id), as rows have them; () is before all."""


class Listing(NamedTuple):
    """A list of events, newest first; `given` are the values of its filters, as they are compared."""

    given: Mapping[str, Any]

    @property
    def filters(self) -> tuple[str, ...]:
        """Return the filters in the order of WALKS; none: everything."""
        return tuple(name for name in WALKS if name in self.given)

    def behind(self, key: Key) -> dict[str, Any]:
        """Return what the statement is given for the rows behind `key`; `from` is in the list, `to` is not."""
        if not self.filters:
            return {"seq": int(key[0]) if key else LAST_SEQ}
        place, id = self.given.get("to", FOREVER), FIRST_ID if "to" in self.given else LAST_ID
        if key:
            place, id = datetime.fromisoformat(key[0]), UUID(key[1])
        bounds = {"place": place, "id": id, "far": self.given.get("from", NEVER), "far_id": FIRST_ID}
        return {name: self.given[name] for name in self.filters} | bounds
