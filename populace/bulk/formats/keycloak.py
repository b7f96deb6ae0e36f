"""Keycloak's realm export (`kc.sh export`): `R-realm.json` with users in it, `R-users-N.json`, or the folder of these.

Fields: https://www.keycloak.org/docs-api/latest/rest-api/ (RealmRepresentation, UserRepresentation).
"""

import glob
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from populace.bulk.errors import FileRefused
from populace.bulk.formats import lines
from populace.bulk.formats.archive import is_zip, member_of, opened
from populace.bulk.formats.fields import left_out, secret, stored_hash
from populace.bulk.formats.json_stream import JsonStream, NotJson
from populace.bulk.formats.source import FILE_MAX, TOO_LARGE, Source, starts_with
from populace.bulk.rows import NO_OPTIONS, Options, Row, unreadable
from populace.credentials.vendors import from_keycloak
from populace.users.errors import Invalid

FEDERATED = "A user of another system that Keycloak asks: import people from there."

_file = re.compile(r"(?P<realm>.+?)-(?:realm|(?:federated-)?users-(?P<number>\d{1,9}))\.json").fullmatch

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
    **dict.fromkeys(("disableableCredentialTypes", "notBefore", "totp", "origin", "self", "access"), ""),
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
    **dict.fromkeys(theirs for theirs, name in LEFT_OUT.items() if name),
}

ROLE = "role:"
"""Begins the name of the group that a role arrives as; a role of a realm and one of a client may share it."""


def rows(path: Path, options: Options = NO_OPTIONS) -> Iterator[Row]:
    """Yield each user: of a file, or of all files of a folder or archive, in order. Raises FileRefused."""
    number, several = 0, path.is_dir() or is_zip(starts_with(path, 4))
    for source in _parts(path) if several else [Source(path)]:
        first = number
        with JsonStream(source) as stream:
            try:
                for is_known in _users(stream):
                    sent = stream.value()
                    number += 1
                    if is_known:
                        yield lines.read_row(number, stream.behind, sent, _row, WHAT)
                    else:
                        yield unreadable(number, stream.behind, FEDERATED)
            except NotJson:
                if number == first and not several:
                    raise FileRefused("is not JSON, or not a realm export of Keycloak") from None
                number += 1
                yield unreadable(
                    number, stream.behind, f"Not JSON from here on: nothing below was read{source.called}."
                )
    if not number:
        raise FileRefused(f"holds no users; {_advice(path)}")


def users_files(names: Iterable[str]) -> list[str]:
    """Return those of these files that an export to a folder has users in, in order; a realm's own file comes first."""
    found = {name: match for name in names if (match := _file(PurePosixPath(name).name))}
    # R-users-10.json comes after R-users-9.json.
    return sorted(found, key=lambda name: (found[name]["realm"], int(found[name]["number"] or -1), name))


def _parts(path: Path) -> Iterator[Source]:
    """Yield each file of a folder or archive. Raises FileRefused."""
    before = 0
    if path.is_dir():
        files = [path / name for name in users_files(os.listdir(path)) if (path / name).is_file()]
        sizes = [file.stat().st_size for file in files]
        if sum(sizes) > FILE_MAX:
            raise FileRefused(TOO_LARGE)
        for file, size in zip(files, sizes, strict=True):
            yield Source.part(file.open("rb"), before=before, total=sum(sizes), name=file.name)
            before += size
        return
    with opened(path) as archive:
        members = [archive.getinfo(name) for name in users_files(archive.namelist())]
        total = sum(member.file_size for member in members)
        for member in members:
            raw = member_of(archive, member)
            yield Source.part(raw, before=before, total=total, name=PurePosixPath(member.filename).name)
            before += member.file_size


def _advice(path: Path) -> str:
    realm, dash, _ = path.name.rpartition("-realm.json")
    beside = len(list(path.parent.glob(f"{glob.escape(realm)}-users-*.json"))) if dash else 0
    if beside:
        return f"they are in {beside} files beside it: import the folder"
    return "export the realm with `--users realm_file`, or import the folder that has its R-users-N.json files"


def _users(stream: JsonStream) -> Iterator[bool]:
    """Step to each user; True for one of the realm's own. Raises NotJson."""
    if stream.peek() == "[":
        for _ in stream.elements():
            yield from _users_of_realm(stream)
    else:
        yield from _users_of_realm(stream)


def _users_of_realm(stream: JsonStream) -> Iterator[bool]:
    for name in stream.members():
        if name in ("users", "federatedUsers") and stream.peek() == "[":
            for _ in stream.elements():
                yield name == "users"
        else:
            stream.skip()


def _row(number: int, behind: float, sent: dict[str, Any]) -> Row:
    values = {ours: sent[theirs] for theirs, ours in FIELDS.items() if sent.get(theirs)}
    if "serviceAccountClientId" in sent:
        values["kind"] = "service"
    if attributes := sent.get("attributes"):
        values["attributes"] = {name: _single(value) for name, value in attributes.items()}
    faults: list[Invalid] = []
    password, password_hash, left = _credentials(sent.get("credentials") or [], faults)
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
        left_out=frozenset(left | left_out(sent, {name for name, ours in MAPPING.items() if ours}, LEFT_OUT)),
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
    password, password_hash, left = "", "", set()
    for credential in credentials:
        if credential.get("type") != "password":
            left.add("second_factor_not_imported")
        elif credential.get("value"):
            password = secret(credential["value"], "password", faults)
        else:
            password_hash = _hash(credential, faults)
    return password, password_hash, left


def _hash(credential: dict[str, Any], faults: list[Invalid]) -> str:
    try:
        phc = from_keycloak(*(json.loads(credential[name]) for name in ("secretData", "credentialData")))
    except Invalid as refused:
        faults.append(refused)
        return ""
    return stored_hash(phc, faults)
