"""Import a file of people through the verbs, row by row; a bad row is told and the rest goes in."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import DataError

from populace.audit.actors import Actor
from populace.bulk.error_file import ErrorFile
from populace.bulk.errors import FileRefused, OptionRefused
from populace.bulk.formats import FORMATS, recognise
from populace.bulk.rows import BadRow, Row
from populace.credentials.hashing import LONGEST_CHARACTERS, HashingBusy, hash_password
from populace.users.actions import create_user
from populace.users.documents import new_values
from populace.users.errors import IdentifierTaken, Invalid
from populace.users.identifiers import CONFUSABLE, NORMAL, email_normal
from populace.users.reads import lookalike_of, user_id_of

FILE_MAX = 2 << 30  # bytes
ERRORS_KEPT = 1000  # in the result; the error file has all of them
HASH_TRIES = 60  # each waits a second for a slot, then two more
ON_CONFLICT = ("skip", "fail")


@dataclass(slots=True, kw_only=True)
class ImportResult:
    """What came of a file: rows created, skipped (there already) and failed."""

    done: int = 0
    skipped: int = 0
    failed: int = 0
    errors: list[tuple[int, str, str]] = field(default_factory=list)  # (row, code, reason), the first ERRORS_KEPT
    counts: Counter[str] = field(default_factory=Counter)  # created rows by what is worth knowing about them
    errors_file: Path | None = None

    def summary(self) -> dict[str, Any]:
        """Return the numbers by name, and the error file where there is one."""
        numbers = {"done": self.done, "skipped": self.skipped, "failed": self.failed} | dict(
            sorted(self.counts.items())
        )
        return numbers | ({"errors_file": str(self.errors_file)} if self.errors_file else {})


def import_file(
    path: Path,
    file_format: str | None = None,
    *,
    by: Actor,
    on_conflict: str = "skip",
    dry_run: bool = False,
    report: Callable[[float], None] = lambda behind: None,
) -> ImportResult:
    """Create the people of a file, quietly, each in a commit of its own; done again, it changes nothing.

    `file_format` is recognised when left out. Where somebody holds an identifier of a row, `skip` passes it over and
    `fail` makes it a bad row; identifiers of two different people always do. `dry_run` checks and writes no person.
    `report` gets the share of the file that is behind, 0 to 1. Raises FileRefused, OptionRefused.
    """
    name = file_format or recognise(path)
    if name not in FORMATS:
        raise OptionRefused(f"unknown format; there are {', '.join(FORMATS)}")
    if on_conflict not in ON_CONFLICT:
        raise OptionRefused(f"unknown way to deal with conflicts; there are {', '.join(ON_CONFLICT)}")
    if path.stat().st_size > FILE_MAX:
        raise FileRefused(f"larger than {FILE_MAX >> 30} GiB")
    result = ImportResult()
    with ErrorFile(path) as errors:
        for row in FORMATS[name](path):
            try:
                _count(result, row, created=_imported(row, by=by, on_conflict=on_conflict, dry_run=dry_run))
            except Invalid as invalid:
                _fail(result, errors, row.number, invalid)
            report(row.behind)
    result.errors_file = errors.written
    return result


def _count(result: ImportResult, row: Row | BadRow, *, created: bool) -> None:
    result.done += created
    result.skipped += not created
    if created and isinstance(row, Row):
        result.counts.update(row.left_out)
        result.counts["service_accounts"] += row.values.get("kind") == "service"
    result.counts += Counter()  # drops what is 0


def _fail(result: ImportResult, errors: ErrorFile, number: int, invalid: Invalid) -> None:
    reason = f"{invalid.field}: {invalid.detail}" if invalid.field else invalid.detail
    result.failed += 1
    if len(result.errors) < ERRORS_KEPT:
        result.errors.append((number, invalid.code, reason))
    errors.write(number, invalid.code, reason)


def _imported(row: Row | BadRow, *, by: Actor, on_conflict: str, dry_run: bool) -> bool:
    """Create the row's person; False where the person is there already. Raises Invalid about a bad row."""
    if isinstance(row, BadRow):
        raise Invalid(row.code, row.reason)
    values = new_values(_without_twin(row.values))
    if not any(values.get(kind) for kind in NORMAL):
        raise Invalid("no_identifier", "No user name, e-mail, phone or external id.")
    if held := _holders(values):
        # Who only looks like somebody of the directory is not that person.
        if on_conflict == "skip" and len(set(held.values())) == 1 and set(held) != {CONFUSABLE}:
            return False
        raise _conflict(IdentifierTaken(held))
    try:
        if not dry_run:
            _create(row, values, by)
    except IdentifierTaken as taken:  # somebody was faster since the look at the holders
        if on_conflict == "skip" and taken.kinds != [CONFUSABLE]:
            return False
        raise _conflict(taken) from None
    except DataError:
        raise Invalid("invalid", "The database cannot store it.") from None
    return True


def _create(row: Row, values: dict[str, Any], by: Actor) -> None:
    create_user(
        by=by,
        kind=values.pop("kind", "person"),
        values=values,
        password_hash=_hashed(row.password) if row.password else "!",
        is_active=row.is_active,
        email_verified=row.email_verified,
        quiet=True,
    )


def _without_twin(values: dict[str, Any]) -> dict[str, Any]:
    """Drop a user name that is the row's own e-mail: other systems fill one from the other."""
    username, email = values.get("username"), values.get("email")
    if not (isinstance(username, str) and isinstance(email, str)):
        return values
    try:
        same = email_normal(username) == email_normal(email)
    except Invalid:
        same = False
    return {name: value for name, value in values.items() if name != "username"} if same else values


def _holders(values: dict[str, Any]) -> dict[str, Any]:
    """Return who holds each of the row's identifiers, by kind: asked first, since a hash takes 50 times as long."""
    found = {kind: user_id_of(kind, values[kind]) for kind in NORMAL if values.get(kind)}
    if values.get("username"):
        found[CONFUSABLE] = lookalike_of(values["username"])
    return {kind: user_id for kind, user_id in found.items() if user_id}


def _conflict(taken: IdentifierTaken) -> Invalid:
    return Invalid(taken.refusals[0][1], f"Held by somebody already: {', '.join(taken.kinds)}.")


def _hashed(password: str) -> str:
    """Return the hash of a password, whatever the policy says of it; waits while others hash."""
    if len(password) > LONGEST_CHARACTERS:
        raise Invalid("password_too_long", f"At most {LONGEST_CHARACTERS} characters.", "password")
    try:
        password.encode()
    except UnicodeEncodeError:  # a lone surrogate
        raise Invalid("invalid", "Must be text.", "password") from None
    for _ in range(HASH_TRIES - 1):
        try:
            return hash_password(password)
        except HashingBusy as busy:
            time.sleep(busy.retry_after_s)
    return hash_password(password)
