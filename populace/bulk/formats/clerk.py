"""Clerk: the CSV of its dashboard's export, hashes included.

Columns: https://clerk.com/docs/guides/development/migrating/overview.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from populace.bulk.formats import tables
from populace.bulk.formats.csv import said
from populace.bulk.formats.fields import TOLD, hash_of, left_out
from populace.bulk.rows import NO_OPTIONS, Options, Row
from populace.credentials.vendors import from_clerk
from populace.users.errors import Invalid

FIELDS = {
    "id": "external_id",  # the `sub` that applications know this person by
    "first_name": "first_name",
    "last_name": "last_name",
    "username": "username",
    "primary_email_address": "email",
    "primary_phone_number": "phone",
}
VERIFIED = "verified_email_addresses"
OTHER_ADDRESSES = (VERIFIED, "unverified_email_addresses", "verified_phone_numbers", "unverified_phone_numbers")
LEFT_OUT = {
    "totp_secret": "second_factor_not_imported",
    "created_at": "created_not_kept",
    "updated_at": "history_not_kept",
    "last_sign_in_at": "history_not_kept",
}
PLACEHOLDER = "awscognito"  # stands for a password that Clerk would ask Cognito about
MAPPING = {
    **FIELDS,
    "banned": "is_active",
    **dict.fromkeys(("password_digest", "password_hasher"), "password_hash"),
    VERIFIED: "email_verified",
}

_parts = re.compile(r"[|,;\s]+").split


def rows(path: Path, options: Options = NO_OPTIONS) -> Iterator[Row]:
    """Yield each user. Raises FileRefused."""
    how = tables.dialect(path, options)
    found = tables.records(path, how)
    header = next(found).cells
    tables.check_columns(header, one_of=("password_hasher", "primary_email_address"))
    return tables.rows(found, header, _row, how.shown)


def knows(header: Sequence[str]) -> bool:
    """Tell whether this is the header of an export."""
    return {"id", "primary_email_address"} <= set(header)


def columns(header: Sequence[str]) -> dict[str, str | None]:
    """Return the field of each column."""
    return {cell: MAPPING.get(cell) for cell in header if cell not in TOLD}


def _row(number: int, behind: float, sent: list[str], given: dict[str, str]) -> Row:
    faults: list[Invalid] = []
    email = given.get("primary_email_address", "").strip()
    banned = said(given, "banned", faults)
    left = left_out(given, {*MAPPING, *OTHER_ADDRESSES}, LEFT_OUT)
    if _others(given, email):
        left.add("further_addresses_not_imported")
    if given.get("password_hasher") == PLACEHOLDER:
        left.add("password_not_imported")
    return Row(
        number=number,
        behind=behind,
        sent=sent,
        values={ours: given[theirs].strip() for theirs, ours in FIELDS.items() if theirs in given},
        is_active=None if banned is None else not banned,
        email_verified=email in _parts(given.get(VERIFIED, "")) if email else None,
        password_hash=_hash(given, faults),
        left_out=frozenset(left),
        faults=tuple(faults),
    )


def _others(given: Mapping[str, str], email: str) -> set[str]:
    told = {part for name in OTHER_ADDRESSES for part in _parts(given.get(name, ""))}
    return told - {"", email, given.get("primary_phone_number", "").strip()}


def _hash(given: Mapping[str, str], faults: list[Invalid]) -> str:
    digest, hasher = (given.get(name, "").strip() for name in ("password_digest", "password_hasher"))
    if not digest or hasher == PLACEHOLDER:
        return ""
    return hash_of(from_clerk, faults, hasher, digest)
