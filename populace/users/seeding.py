"""Made-up people in any number: a verb that writes thousands of them in one statement where the engine can.

What stands in the rows is what create_users would write. Each kind of row is made by its own code once, as a pattern;
the statement repeats it and puts in what differs from person to person.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from django.db import connections, router

from populace.audit.actors import Actor
from populace.users import seeding_postgresql
from populace.users.actions import create_users
from populace.users.models import User

BATCH = 100  # people in one commit of an engine with one writer, which nobody else may wait for long
BATCH_SET = 10_000  # people in one statement, which takes about a second


class Sample(NamedTuple):
    """What is taken over as it is; `letters` begin the user name and must look like themselves alone."""

    locale: str
    timezone: str
    first_name: str
    last_name: str
    letters: str


@dataclass(frozen=True, slots=True)
class Cast:
    """Where made-up people come from: groups of samples, taken in turn, and the domains of their addresses."""

    groups: tuple[tuple[Sample, ...], ...]
    domains: tuple[str, ...]

    def __post_init__(self) -> None:
        """Raise ValueError for what would need more than copying to be compared."""
        samples = [sample for group in self.groups for sample in group]
        if not all(all(sample) and re.fullmatch(r"[a-z.]+", sample.letters) for sample in samples):
            raise ValueError("nothing may be empty, and letters must be a to z and dots")
        if not all(re.fullmatch(r"[a-z]+(\.[a-z]+)+", domain) for domain in self.domains):
            raise ValueError("domains must be letters and dots")

    def person(self, number: int) -> dict[str, str]:
        """Return the values of a new person; two numbers never share a user name or an e-mail."""
        turn, place = divmod(number, len(self.groups))
        sample = self.groups[place][turn % len(self.groups[place])]
        name = f"{sample.letters}{number}"
        return {
            "username": name,
            "email": f"{name}@{self.domains[number % len(self.domains)]}",
            "first_name": sample.first_name,
            "last_name": sample.last_name,
            "locale": sample.locale,
            "timezone": sample.timezone,
        }


def seed_users(cast: Cast, numbers: range, *, by: Actor) -> None:
    """Make the people with these numbers, quietly, all or none; at most `batch_size()` of them.

    Raises IdentifierTaken where somebody has a user name or an e-mail of one of them.
    """
    connection = connections[router.db_for_write(User)]
    if connection.vendor == "postgresql":
        seeding_postgresql.seed(connection, cast, numbers, by)
    else:
        create_users([cast.person(number) for number in numbers], by=by, quiet=True)


def batch_size() -> int:
    """Return how many people one commit may make on this engine."""
    return BATCH_SET if connections[router.db_for_write(User)].vendor == "postgresql" else BATCH
