"""Keycloak's realm export (`kc.sh export`): `R-realm.json` with users in it, or one `R-users-N.json`.

Fields: https://www.keycloak.org/docs-api/latest/rest-api/ (RealmRepresentation, UserRepresentation).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from populace.bulk.errors import FileRefused
from populace.bulk.formats import lines
from populace.bulk.formats.fields import secret, stored_hash
from populace.bulk.formats.json_stream import JsonStream, NotJson
from populace.bulk.rows import NO_OPTIONS, Options, Row, unreadable
from populace.credentials.foreign import from_keycloak
from populace.users.errors import Invalid

WHAT = "a user as Keycloak writes one"

FIELDS = {
    "username": "username",
    "email": "email",
    "firstName": "first_name",
    "lastName": "last_name",
    "id": "external_id",  # the `sub` that applications know this person by
}
LEFT_OUT = {
    "federatedIdentities": "federated_identities_not_imported",
    "requiredActions": "required_actions_not_imported",
    "createdTimestamp": "created_not_kept",
}
"""What a user says that has no place here yet, and how the summary counts the people concerned."""

MAPPING = {
    **FIELDS,
    "enabled": "is_active",
    "emailVerified": "email_verified",
    "attributes": "attributes",
    "serviceAccountClientId": "kind",
    "credentials": "password_hash",
    **dict.fromkeys(("groups", "realmRoles", "clientRoles"), "groups"),
    **dict.fromkeys(LEFT_OUT),
}

ROLE = "role:"
"""Begins the name of the group that a role arrives as; a role of a realm and one of a client may share it."""


def rows(path: Path, options: Options = NO_OPTIONS) -> Iterator[Row]:
    """Yield each user of the realm, or of all realms in the file. Raises FileRefused, also where there is none."""
    number = 0
    with JsonStream(path) as stream:
        try:
            for _ in _users(stream):
                sent = stream.value()
                number += 1
                yield lines.read_row(number, stream.behind, sent, _row, WHAT)
        except NotJson:
            if not number:
                raise FileRefused("is not JSON, or not a realm export of Keycloak") from None
            yield unreadable(number + 1, 1, "Not JSON from here on: nothing below was read.")
    if not number:
        raise FileRefused(
            "holds no users; export the realm with `--users realm_file`, or import the R-users-N.json files beside it"
        )


def _users(stream: JsonStream) -> Iterator[None]:
    """Step to each user. Raises NotJson."""
    if stream.peek() == "[":
        for _ in stream.elements():
            yield from _users_of_realm(stream)
    else:
        yield from _users_of_realm(stream)


def _users_of_realm(stream: JsonStream) -> Iterator[None]:
    for name in stream.members():
        if name == "users" and stream.peek() == "[":
            yield from stream.elements()
        else:
            stream.skip()


def _row(number: int, behind: float, sent: dict[str, Any]) -> Row:
    values = {ours: sent[theirs] for theirs, ours in FIELDS.items() if sent.get(theirs)}
    if "serviceAccountClientId" in sent:
        values["kind"] = "service"
    if attributes := sent.get("attributes"):
        values["attributes"] = {name: _single(value) for name, value in attributes.items()}
    faults: list[Invalid] = []
    password, password_hash, left_out = _credentials(sent.get("credentials") or [], faults)
    return Row(
        number=number,
        behind=behind,
        sent=sent,
        values=values,
        password=password,
        password_hash=password_hash,
        is_active=_said(sent, "enabled"),
        email_verified=_said(sent, "emailVerified"),
        groups=_groups(sent),
        left_out=frozenset(left_out | {name for theirs, name in LEFT_OUT.items() if sent.get(theirs)}),
        faults=tuple(faults),
    )


def _said(sent: dict[str, Any], name: str) -> bool | None:
    return None if sent.get(name) is None else sent[name] is True


def _groups(sent: dict[str, Any]) -> tuple[str, ...]:
    """Return the groups by their paths, and the roles; raises TypeError where they are no texts."""
    roles = list(sent.get("realmRoles") or [])
    for of_client in (sent.get("clientRoles") or {}).values():
        roles += of_client
    names = [*(sent.get("groups") or []), *(ROLE + role for role in roles)]
    if not all(isinstance(name, str) for name in names):
        raise TypeError
    return tuple(dict.fromkeys(names))


def _single(value: Any) -> Any:
    """Keycloak's attributes are lists; a list of one is its value."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _credentials(credentials: list[dict[str, Any]], faults: list[Invalid]) -> tuple[str, str, set[str]]:
    """Return the password in plain text, which only hand-written realms hold, or its hash, and what cannot be taken."""
    password, password_hash, left_out = "", "", set()
    for credential in credentials:
        if credential.get("type") != "password":
            left_out.add("second_factor_not_imported")
        elif credential.get("value"):
            password = secret(credential["value"], "password", faults)
        else:
            password_hash = _hash(credential, faults)
    return password, password_hash, left_out


def _hash(credential: dict[str, Any], faults: list[Invalid]) -> str:
    try:
        phc = from_keycloak(*(json.loads(credential[name]) for name in ("secretData", "credentialData")))
    except Invalid as refused:
        faults.append(refused)
        return ""
    return stored_hash(phc, faults)
