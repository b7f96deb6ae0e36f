"""Is what people are found by what the code would claim for them today?"""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from populace.users.errors import Invalid
from populace.users.identifiers import claims
from populace.users.models import Identifier, User
from populace.users.rows import columns_of

CHUNK = 1000  # people, or claims, in memory at once

TYPED = ("username", "email", "first_name", "last_name")
COMPARED = ("username_normal", "email_normal", "email_domain", "first_name_normal", "last_name_normal")


class Amiss(NamedTuple):
    """Something wrong about a person; it names a kind or a column, never a value.

    `missing`: an identifier that nobody claims. `foreign`: claimed by somebody else. `stale`: a claim that is not
    the person's, or of nobody who is there. `outdated`: a column for finding that is not what was typed, compared.
    `invalid`: what was typed would be refused today.
    """

    fault: str
    user_id: UUID
    what: str


def identifiers() -> Iterator[Amiss]:
    """Yield what is amiss, person by person in the order of their ids, then what claims without a person there are."""
    after = UUID(int=0)
    while people := list(User.objects.filter(id__gt=after).order_by("id")[:CHUNK]):
        after = people[-1].id
        yield from _of_people(people)
    yield from _of_nobody()


def _of_people(people: list[User]) -> Iterator[Amiss]:
    ids = [user.id for user in people]
    rows = Identifier.objects.filter(user_id__in=ids).order_by("user_id").values_list("user_id", "key")
    held = {user_id: {key for _, key in group} for user_id, group in groupby(rows, key=lambda row: row[0])}
    expected: dict[UUID, set[str]] = {}
    for user in people:
        yield from _renewed(user)
        expected[user.id] = {claim.key for claim in claims(user)}
    lacking = [key for user_id, keys in expected.items() for key in keys - held.get(user_id, set())]
    elsewhere = set(Identifier.objects.filter(key__in=lacking).values_list("key", flat=True))
    for user_id, keys in expected.items():
        here = held.get(user_id, set())
        for key in sorted(keys - here):
            yield Amiss("foreign" if key in elsewhere else "missing", user_id, _kind(key))
        for key in sorted(here - keys):
            yield Amiss("stale", user_id, _kind(key))


def _renewed(user: User) -> Iterator[Amiss]:
    """Give the user what would be compared today, in memory; yield what differs from what is stored."""
    for name in TYPED:
        try:
            columns = columns_of({name: getattr(user, name)})
        except Invalid:
            yield Amiss("invalid", user.id, name)
            continue
        for column in COMPARED:
            if column in columns and columns[column] != getattr(user, column):
                yield Amiss("outdated", user.id, column)
                setattr(user, column, columns[column])


def _of_nobody() -> Iterator[Amiss]:
    after = ""
    while rows := list(Identifier.objects.filter(key__gt=after).order_by("key").values_list("key", "user_id")[:CHUNK]):
        after = rows[-1][0]
        there = set(User.objects.filter(id__in={user_id for _, user_id in rows}).values_list("id", flat=True))
        yield from (Amiss("stale", user_id, _kind(key)) for key, user_id in rows if user_id not in there)


def _kind(key: str) -> str:
    return key.partition(":")[0]
