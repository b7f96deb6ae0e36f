"""Amazon Cognito user pools: ListUsers as JSON, or the CSV that a pool's own import takes. Neither has passwords.

Fields: https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-using-import-tool.html, and
UserType of the API reference.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from populace.bulk.formats import objects, tables
from populace.bulk.formats.csv import said
from populace.bulk.formats.fields import TOLD, flag, is_uuid, left_out
from populace.bulk.rows import NO_OPTIONS, Options, Row
from populace.users.errors import Invalid

WHAT = "a user as Cognito writes one"

FIELDS = {
    "sub": "external_id",  # the `sub` that applications know this person by
    "email": "email",
    "phone_number": "phone",
    "given_name": "first_name",
    "family_name": "last_name",
    "locale": "locale",
    "zoneinfo": "timezone",
}
CUSTOM = "custom:"
NAME_COLUMN = "cognito:username"
LEFT_OUT = {
    "phone_number_verified": "phone_verified_not_kept",
    "updated_at": "history_not_kept",
    "UserLastModifiedDate": "history_not_kept",
    "UserCreateDate": "created_not_kept",
    "MFAOptions": "second_factor_not_imported",
    "cognito:mfa_enabled": "second_factor_not_imported",
}
FEDERATED = "federated_identities_not_imported"
PASSWORD_LEFT = "password_not_imported"  # noqa: S105  # the name of a count

COLUMNS = {**FIELDS, NAME_COLUMN: "username", "email_verified": "email_verified", **dict.fromkeys(LEFT_OUT)}
MAPPING = {
    "Username": "username",
    "Enabled": "is_active",
    **{f"Attributes.{theirs}": ours for theirs, ours in FIELDS.items()},
    "Attributes.email_verified": "email_verified",
    "Attributes.*": "attributes",
    **dict.fromkeys(("Attributes.identities", "UserStatus", *LEFT_OUT)),
}


def rows(path: Path, options: Options = NO_OPTIONS) -> Iterator[Row]:
    """Yield each user. Raises FileRefused, also where there is none."""
    if objects.is_json(path):
        return objects.rows(path, _row, WHAT, member="Users")
    how = tables.dialect(path, options)
    found = tables.records(path, how, escape="\\")
    header = next(found).cells
    tables.check_columns(header, one_of=(NAME_COLUMN,))
    return tables.rows(found, header, _row_of_cells, how.shown)


def knows(header: Sequence[str]) -> bool:
    """Tell whether this is the header of a pool's CSV."""
    return NAME_COLUMN in header


def columns(header: Sequence[str]) -> dict[str, str | None]:
    """Return the field of each column."""
    return {cell: COLUMNS.get(cell, "attributes") for cell in header if cell not in TOLD}


def _row(number: int, behind: float, sent: dict[str, Any]) -> Row:
    faults: list[Invalid] = []
    given = {one["Name"]: one.get("Value", "") for one in sent.get("Attributes") or sent.get("UserAttributes") or ()}
    left = left_out(sent, {"Username", "Enabled", "Attributes", "UserAttributes", "UserStatus"}, LEFT_OUT)
    return _person(
        number,
        behind,
        sent,
        given | {NAME_COLUMN: sent["Username"]},
        is_active=flag(sent.get("Enabled"), "is_active", faults),
        left=left,
        faults=faults,
    )


def _row_of_cells(number: int, behind: float, sent: list[str], given: dict[str, str]) -> Row:
    return _person(number, behind, sent, {name: cell.strip() for name, cell in given.items()}, left=set(), faults=[])


def _person(
    number: int,
    behind: float,
    sent: Any,
    given: Mapping[str, str],
    *,
    left: set[str],
    faults: list[Invalid],
    is_active: bool | None = None,
) -> Row:
    """Return the row of a user's attributes; every value is text, as Cognito has them."""
    is_federated = bool(given.get("identities"))
    is_true = {name for name in given if given[name] not in ("", "false", "FALSE")}
    left |= left_out({name: given[name] for name in is_true & set(LEFT_OUT)}, (), LEFT_OUT)
    left.add(FEDERATED if is_federated else PASSWORD_LEFT)
    return Row(
        number=number,
        behind=behind,
        sent=sent,
        values=_values(given, is_federated=is_federated),
        is_active=is_active,
        email_verified=said(given, "email_verified", faults),
        left_out=frozenset(left),
        faults=tuple(faults),
    )


def _values(given: Mapping[str, str], *, is_federated: bool) -> dict[str, Any]:
    values: dict[str, Any] = {ours: given[theirs] for theirs, ours in FIELDS.items() if given.get(theirs)}
    if "locale" in values:
        values["locale"] = values["locale"].replace("_", "-")
    name = given.get(NAME_COLUMN, "")
    if is_uuid(name):  # a pool whose people sign in by e-mail makes their names itself
        values.setdefault("external_id", name)
    elif name and not is_federated:  # Google_1077: made by Cognito, too
        values["username"] = name
    apart = {*COLUMNS, "identities"}
    if attributes := {n.removeprefix(CUSTOM): text for n, text in given.items() if n not in apart and text}:
        values["attributes"] = attributes
    return values
