"""Keycloak's realm export (`kc.sh export`): `R-realm.json` with users in it, or one `R-users-N.json`.

Fields: https://www.keycloak.org/docs-api/latest/rest-api/ (RealmRepresentation, UserRepresentation).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from populace.bulk.errors import FileRefused
from populace.bulk.rows import BadRow, Row

FILE_MAX = 256 << 20  # bytes; the whole of it lies in memory, some 8 times as large

FIELDS = {
    "username": "username",
    "email": "email",
    "firstName": "first_name",
    "lastName": "last_name",
    "id": "external_id",  # the `sub` that applications know this person by
}
LEFT_OUT = {
    "realmRoles": "roles_not_imported",
    "clientRoles": "roles_not_imported",
    "groups": "groups_not_imported",
    "federatedIdentities": "federated_identities_not_imported",
    "requiredActions": "required_actions_not_imported",
    "createdTimestamp": "created_not_kept",
}
"""What a user says that has no place here yet, and how the summary counts the people concerned."""


def rows(path: Path) -> Iterator[Row | BadRow]:
    """Yield each user of the realm, or of all realms in the file. Raises FileRefused, also where there is none."""
    users = [user for realm in _realms(path) for user in realm.get("users") or []]
    if not users:
        raise FileRefused(
            "holds no users; export the realm with `--users realm_file`, or import the R-users-N.json files beside it"
        )
    for number, user in enumerate(users, 1):
        behind = number / len(users)
        try:
            yield _row(number, behind, user)
        except (TypeError, AttributeError, ValueError):  # some part has another shape than Keycloak gives it
            yield BadRow(number=number, behind=behind, code="malformed", reason="Not a user as Keycloak writes one.")


def _realms(path: Path) -> list[dict[str, Any]]:
    if path.stat().st_size > FILE_MAX:
        raise FileRefused(f"larger than {FILE_MAX >> 20} MiB; export with `--users different_files` and import those")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise FileRefused("is not JSON") from None
    realms = content if isinstance(content, list) else [content]
    if not all(isinstance(realm, dict) and isinstance(realm.get("users") or [], list) for realm in realms):
        raise FileRefused("is not a realm export of Keycloak")
    return realms


def _row(number: int, behind: float, user: dict[str, Any]) -> Row:
    values = {ours: user[theirs] for theirs, ours in FIELDS.items() if user.get(theirs)}
    if "serviceAccountClientId" in user:
        values["kind"] = "service"
    if attributes := user.get("attributes"):
        values["attributes"] = {name: _single(value) for name, value in attributes.items()}
    password, left_out = _credentials(user.get("credentials") or [])
    return Row(
        number=number,
        behind=behind,
        values=values,
        password=password,
        is_active=user.get("enabled", True) is True,
        email_verified=user.get("emailVerified") is True,
        left_out=frozenset(left_out | {name for theirs, name in LEFT_OUT.items() if user.get(theirs)}),
    )


def _single(value: Any) -> Any:
    """Keycloak's attributes are lists; a list of one is its value."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _credentials(credentials: list[dict[str, Any]]) -> tuple[str, set[str]]:
    """Return the password in plain text, which only hand-written realms hold, and what cannot be taken."""
    password, left_out = "", set()
    for credential in credentials:
        if credential.get("type") != "password":
            left_out.add("second_factor_not_imported")
        elif isinstance(value := credential.get("value"), str) and value:
            password = value
        else:
            left_out.add("password_not_imported")
    return password, left_out
