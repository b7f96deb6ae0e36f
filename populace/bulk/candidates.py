"""A row of a file, checked as far as it can be without the directory."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX as NO_PASSWORD

from populace.audit.actors import Actor
from populace.audit.permissions import ADMIN
from populace.bulk.passwords import check_password
from populace.bulk.rows import Row
from populace.groups.batches import WRITE, check_name
from populace.users.attributes import check, merged
from populace.users.documents import new_values
from populace.users.errors import Invalid
from populace.users.identifiers import claims, email_normal
from populace.users.incoming import COLUMNS, Newcomer, plain
from populace.users.models import User
from populace.users.rows import draft


class Came(Enum):
    """What came of a row."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(slots=True)
class Candidate:
    """A row that may become a person, or change one; the importer says what came of it."""

    row: Row
    values: dict[str, Any] = field(default_factory=dict)  # as documents.NEW returned them
    newcomer: Newcomer | None = None  # the person that a new one would be; None where the row has faults
    faults: list[Invalid] = field(default_factory=list)
    own: int = 0  # of the faults, how many lie in the row itself, whatever the directory holds
    came: Came = Came.FAILED

    @property
    def keys(self) -> Mapping[str, str]:
        """The keys of Identifier that the row names, by kind."""
        return self.newcomer.keys if self.newcomer else {}

    @property
    def made(self) -> Newcomer:
        """The person that a new one would be, of a row without faults of its own."""
        assert self.newcomer is not None
        return self.newcomer

    def check_schema(self) -> bool:
        """Tell whether the attributes may be somebody new's; else the row is refused."""
        faults = _attempt(check, self.made.columns["attributes"])
        if faults:
            self.refuse(*faults)
        return not faults

    def refuse(self, *faults: Invalid) -> None:
        """Say that nothing comes of the row, and why."""
        self.faults += faults
        self.came = Came.FAILED

    def begin(self) -> None:
        """Forget what came of it so far: the row is decided anew."""
        del self.faults[self.own :]
        self.came = Came.FAILED

    @property
    def told(self) -> tuple[str, str]:
        """The code of the first fault, and all of them in words."""
        words = (f"{fault.field}: {fault.detail}" if fault.field else fault.detail for fault in self.faults)
        return self.faults[0].code, " ".join(words)


def candidate(row: Row, *, by: Actor) -> Candidate:
    """Return the row with all its faults, or with the person it would be."""
    found = Candidate(row)
    owners = ADMIN not in by.permissions and (row.password_hash or row.email_verified)
    if not row.faults and not (row.password or row.groups or owners) and _fill_plain(found, row):
        return found
    found.refuse(*row.faults)
    if row.values or not row.faults:
        found.refuse(*_faults_apart(row, by), *_attempt(_fill, found, row))
    found.own = len(found.faults)
    return found


def _fill_plain(found: Candidate, row: Row) -> bool:
    """Take the short way, where there is one."""
    values = row.values
    if (name := values.get("username")) and name == values.get("email"):
        values = {name: value for name, value in values.items() if name != "username"}
    if (short := plain(values)) is None:
        return False
    found.values, found.newcomer = short.values, Newcomer(short.columns | _settled(row), short.keys)
    return True


def _fill(found: Candidate, row: Row) -> None:
    found.values = new_values(_without_twin(row.values))
    given = {name: value for name, value in found.values.items() if name != "kind"}
    settled = {"kind": found.values.get("kind", User.PERSON)} | _settled(row)
    # As a later import would merge them: what is null is not there.
    user = draft(given | {"attributes": merged({}, given.get("attributes"))}, **settled)
    held = claims(user)
    if not held:
        raise Invalid("no_identifier", "No user name, e-mail, phone or external id.")
    columns = {name: getattr(user, name) for name in COLUMNS}
    found.newcomer = Newcomer(columns, {claim.key.partition(":")[0]: claim.key for claim in held})


def _settled(row: Row) -> dict[str, Any]:
    """Return the columns that no document has."""
    return {
        "password": row.password_hash or NO_PASSWORD,
        "is_active": row.is_active is not False,
        "email_verified": row.email_verified is True,
    }


def _faults_apart(row: Row, by: Actor) -> Iterator[Invalid]:
    """Yield what is wrong with what is no part of the user document."""
    if row.password and row.password_hash:
        yield Invalid("invalid", "Either a password or a hash.", "password")
    yield from _attempt(check_password, row.password)
    if ADMIN not in by.permissions:  # as by every other door
        if row.password_hash:
            yield Invalid("forbidden", "Needs admin.", "password_hash")
        if row.email_verified:
            yield Invalid("forbidden", "Needs admin.", "email_verified")
    if row.groups and WRITE not in by.permissions:
        yield Invalid("forbidden", f"Needs {WRITE}.", "groups")
    for name in row.groups:
        yield from _attempt(check_name, name)


def _attempt(work: Callable[..., None], *values: Any) -> Sequence[Invalid]:
    """Return the faults that work on these values raises."""
    try:
        work(*values)
    except Invalid as invalid:
        return [invalid, *invalid.more]
    return ()


def _without_twin(values: dict[str, Any]) -> dict[str, Any]:
    """Drop a user name that is the row's own e-mail: other systems fill one from the other, and ours holds no @."""
    username, email = values.get("username"), values.get("email")
    if not (isinstance(username, str) and isinstance(email, str)):
        return values
    try:
        same = email_normal(username) == email_normal(email)
    except Invalid:
        same = False
    return {name: value for name, value in values.items() if name != "username"} if same else values


def keys_of(candidates: Iterable[Candidate]) -> set[str]:
    """Return every identifier that these rows name."""
    return {key for one in candidates for key in one.keys.values()}
