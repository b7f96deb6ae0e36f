"""Auth0: the array that its bulk import reads, and what its export jobs give (an object a line, or CSV; packed or not).

Fields: https://auth0.com/docs/manage-users/user-migration/bulk-user-import-database-schema-and-examples.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from populace.bulk.formats import objects, tables
from populace.bulk.formats.csv import said
from populace.bulk.formats.fields import TOLD, flag, hash_of, left_out, secret, stored_hash
from populace.bulk.rows import NO_OPTIONS, Options, Row
from populace.credentials.vendors import from_auth0
from populace.users.errors import Invalid

WHAT = "a user as Auth0 writes one"

FIELDS = {
    "user_id": "external_id",  # the `sub` that applications know this person by, with its connection's prefix
    "email": "email",
    "username": "username",
    "phone_number": "phone",
    "given_name": "first_name",
    "family_name": "last_name",
}
ATTRIBUTES = ("name", "nickname", "picture")
METADATA = "user_metadata"
LEFT_OUT = {
    "app_metadata": "metadata_not_imported",
    "mfa_factors": "second_factor_not_imported",
    "multifactor": "second_factor_not_imported",
    "created_at": "created_not_kept",
    "phone_verified": "phone_verified_not_kept",
    **dict.fromkeys(("updated_at", "last_login", "last_ip", "logins_count", "last_password_reset"), "history_not_kept"),
}
MAPPING = {
    **FIELDS,
    "email_verified": "email_verified",
    "blocked": "is_active",
    "password_hash": "password_hash",
    "custom_password_hash": "password_hash",
    **dict.fromkeys((*ATTRIBUTES, METADATA), "attributes"),
    **dict.fromkeys(("identities", *LEFT_OUT)),
}


def rows(path: Path, options: Options = NO_OPTIONS) -> Iterator[Row]:
    """Yield each user. Raises FileRefused, also where there is none."""
    if objects.is_json(path):
        return objects.rows(path, _row, WHAT)
    how = tables.dialect(path, options)
    found = tables.records(path, how)
    header = next(found).cells
    tables.check_columns(header, one_of=("user_id",))
    return tables.rows(found, header, _row_of_cells, how.shown)


def knows(header: Sequence[str]) -> bool:
    """Tell whether this is the header of an export as CSV."""
    return "user_id" in header


def columns(header: Sequence[str]) -> dict[str, str | None]:
    """Return the field of each column."""
    return {cell: MAPPING.get(cell.partition(".")[0]) for cell in header if cell not in TOLD}


def _row(number: int, behind: float, sent: dict[str, Any]) -> Row:
    faults: list[Invalid] = []
    values = {ours: sent[theirs] for theirs, ours in FIELDS.items() if sent.get(theirs)}
    if attributes := _attributes(sent):
        values["attributes"] = attributes
    blocked = flag(sent.get("blocked"), "blocked", faults)
    left = left_out(sent, {name for name, ours in MAPPING.items() if ours} | {"identities"}, LEFT_OUT)
    if _is_federated(sent):
        left.add("federated_identities_not_imported")
    return Row(
        number=number,
        behind=behind,
        sent=sent,
        values=values,
        is_active=None if blocked is None else not blocked,
        email_verified=flag(sent.get("email_verified"), "email_verified", faults),
        password_hash=_hash(sent, faults),
        left_out=frozenset(left),
        faults=tuple(faults),
    )


def _attributes(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Auth0 knows and has no field here; a name that is the e-mail was filled in by Auth0."""
    found = {name: sent[name] for name in ATTRIBUTES if sent.get(name) and sent[name] != sent.get("email")}
    return found | (sent.get(METADATA) or {})


def _is_federated(sent: Mapping[str, Any]) -> bool:
    strategy, bar, _ = str(sent.get("user_id")).partition("|")
    providers = {identity.get("provider") for identity in sent.get("identities") or ()}
    return bool(providers - {"auth0"}) or bool(bar and strategy != "auth0")


def _hash(sent: Mapping[str, Any], faults: list[Invalid]) -> str:
    custom = sent.get("custom_password_hash")
    if not custom:
        return stored_hash(secret(sent.get("password_hash"), "password_hash", faults), faults)
    return hash_of(from_auth0, faults, custom)


def _row_of_cells(number: int, behind: float, sent: list[str], given: dict[str, str]) -> Row:
    faults: list[Invalid] = []
    metadata: dict[str, str] = {}
    user: dict[str, Any] = {METADATA: metadata}
    for name, cell in given.items():
        base, *deeper = re.split(r"[.\[]", name, maxsplit=1)
        if base == METADATA and deeper:
            metadata[deeper[0]] = cell
        elif base != "identities":  # the user's id tells
            user.setdefault(base, cell.strip())
    user |= {name: said(given, name, faults) for name in ("email_verified", "blocked")}
    row = _row(number, behind, user)
    return replace(row, sent=sent, faults=(*faults, *row.faults))
