"""Firebase Authentication: `firebase auth:export`, as JSON or as CSV without a header.

Fields: https://firebase.google.com/docs/cli/auth (users.json, users.csv). The parameters of the passwords are the
project's and stand in no export: they come as options.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from populace.bulk.errors import FileRefused, OptionRefused
from populace.bulk.formats import objects, tables
from populace.bulk.formats.csv import said
from populace.bulk.formats.fields import TOLD, flag, hash_of, left_out, secret
from populace.bulk.rows import NO_OPTIONS, Options, Row
from populace.credentials.foreign import adopted
from populace.credentials.vendors import from_firebase
from populace.users.errors import Invalid

WHAT = "a user as Firebase writes one"

FIELDS = {"localId": "external_id", "email": "email", "phoneNumber": "phone"}
ATTRIBUTES = ("displayName", "photoUrl")
LEFT_OUT = {
    "customAttributes": "metadata_not_imported",
    "createdAt": "created_not_kept",
    "lastSignedInAt": "history_not_kept",
    "mfaInfo": "second_factor_not_imported",
    "providerUserInfo": "",  # see FEDERATED
    "salt": "",
}
FEDERATED = "federated_identities_not_imported"
PASSWORD_LEFT = "password_not_imported"  # noqa: S105  # the name of a count
OWN_PROVIDERS = ("password", "phone")

MAPPING = {
    **FIELDS,
    "emailVerified": "email_verified",
    "disabled": "is_active",
    "passwordHash": "password_hash",
    **dict.fromkeys(ATTRIBUTES, "attributes"),
    **dict.fromkeys(LEFT_OUT),
    "salt": "password_hash",
}

PROVIDERS = ("google", "facebook", "twitter", "github")
COLUMNS = (
    *("localId", "email", "emailVerified", "passwordHash", "salt", "displayName", "photoUrl"),
    *(f"{provider}.{part}" for provider in PROVIDERS for part in ("rawId", "email", "displayName", "photoUrl")),
    *("createdAt", "lastSignedInAt", "phoneNumber", "disabled", "customAttributes"),
)
"""Of the CSV; a comma stands behind the last one."""

CSV_MAPPING = {name: MAPPING.get(name) for name in COLUMNS}
SIGNER = "base64_signer_key"
LEAVE = {"passwords": "leave"}  # the option that goes without them

NEEDS = (
    "needs the project's password hash parameters (Firebase console: Authentication, Users, Password hash parameters); "
    'give them with --options, or {"passwords": "leave"} to import people without their passwords'
)


def rows(path: Path, options: Options = NO_OPTIONS) -> Iterator[Row]:
    """Yield each user. Raises FileRefused, also where there is none."""
    _check(options)
    if not objects.is_json(path):
        return _of_csv(path, options)

    def to_row(number: int, behind: float, sent: dict[str, Any]) -> Row:
        return _row(number, behind, sent, options)

    return objects.rows(path, to_row, WHAT, member="users")


def knows(first: Sequence[str]) -> bool:
    """Tell whether this is the first record of an export as CSV, which has no header."""
    count = len(COLUMNS)
    return len(first) in (count, count + 1, count + 1 + len(TOLD)) and first[2] in ("true", "false", "")


def columns(first: Sequence[str]) -> dict[str, str | None]:
    """Return the field of each column."""
    return CSV_MAPPING


def _check(options: Options) -> None:
    """Raise FileRefused where nobody said how the passwords are hashed, OptionRefused where nobody could check them."""
    if SIGNER not in options:
        if options.get("passwords") != "leave":
            raise FileRefused(NEEDS)
        return
    if options.get("algorithm", "SCRYPT") != "SCRYPT":
        raise OptionRefused("passwords of Firebase are hashed by SCRYPT; no other algorithm is known here")
    try:
        adopted(from_firebase("A" * 86, "AAAA", options))
    except Invalid:
        raise OptionRefused(
            f"{SIGNER}, base64_salt_separator, rounds, mem_cost: not of a hash that is checked here"
        ) from None


def _row(number: int, behind: float, sent: dict[str, Any], options: Options) -> Row:
    faults: list[Invalid] = []
    values = {ours: sent[theirs] for theirs, ours in FIELDS.items() if sent.get(theirs)}
    if attributes := {name: sent[name] for name in ATTRIBUTES if sent.get(name)}:
        values["attributes"] = attributes
    disabled = flag(sent.get("disabled"), "disabled", faults)
    left = left_out(sent, {name for name, ours in MAPPING.items() if ours}, LEFT_OUT)
    if {one.get("providerId") for one in sent.get("providerUserInfo") or ()} - set(OWN_PROVIDERS):
        left.add(FEDERATED)
    password_hash = ""
    if sent.get("passwordHash") and SIGNER not in options:
        left.add(PASSWORD_LEFT)
    elif sent.get("passwordHash"):
        password_hash = _hash(sent, options, faults)
    return Row(
        number=number,
        behind=behind,
        sent=sent,
        values=values,
        is_active=None if disabled is None else not disabled,
        email_verified=flag(sent.get("emailVerified"), "email_verified", faults),
        password_hash=password_hash,
        left_out=frozenset(left),
        faults=tuple(faults),
    )


def _hash(sent: dict[str, Any], options: Options, faults: list[Invalid]) -> str:
    digest, salt = (secret(sent.get(name), "password_hash", faults) for name in ("passwordHash", "salt"))
    return hash_of(from_firebase, faults, digest, salt, options)


def _of_csv(path: Path, options: Options) -> Iterator[Row]:
    def to_row(number: int, behind: float, sent: list[str], given: dict[str, str]) -> Row:
        faults: list[Invalid] = []
        user: dict[str, Any] = {name: cell.strip() for name, cell in given.items() if "." not in name}
        user |= {name: said(given, name, faults) for name in ("emailVerified", "disabled")}
        user["providerUserInfo"] = [{"providerId": one} for one in PROVIDERS if f"{one}.rawId" in given]
        row = _row(number, behind, user, options)
        return replace(row, sent=sent, faults=(*faults, *row.faults))

    how = tables.dialect(path, options)
    found = (_trimmed(record) for record in tables.records(path, how))
    return tables.rows(found, COLUMNS, to_row, how.shown)


def _trimmed(record: tables.Record) -> tables.Record:
    """Drop what stands behind the columns: the last comma, and what an error file added."""
    return record if record.fault else record._replace(cells=record.cells[: len(COLUMNS)])
