"""Identities of Ory Kratos: a list as its admin API gives it, a line each, or the body of its own batch import.

Fields: https://www.ory.sh/docs/kratos/reference/api (Identity, patchIdentitiesBody).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from populace.bulk.formats import objects
from populace.bulk.formats.fields import TOLD, left_out, secret, stored_hash
from populace.bulk.rows import NO_OPTIONS, Options, Row
from populace.users.errors import Invalid

WHAT = "an identity as Kratos writes one"

TRAITS = {
    "email": "email",
    "username": "username",
    "phone": "phone",
    "first_name": "first_name",
    "last_name": "last_name",
    "given_name": "first_name",
    "family_name": "last_name",
    "locale": "locale",
    "timezone": "timezone",
}
"""Traits are named by each installation's own schema; these names are usual, any other becomes an attribute."""

NAME = {"first": "first_name", "last": "last_name"}  # parts of the trait `name` of Kratos' own examples
SECOND_FACTORS = {"totp", "webauthn", "passkey", "lookup_secret"}
LEFT_OUT = {
    "metadata_public": "metadata_not_imported",
    "metadata_admin": "metadata_not_imported",
    "created_at": "created_not_kept",
    "updated_at": "history_not_kept",
    "state_changed_at": "history_not_kept",
    **dict.fromkeys(("schema_id", "schema_url", "recovery_addresses", "organization_id", "available_aal"), ""),
}
KNOWN = ("external_id", "id", "traits", "state", "verifiable_addresses", "credentials")
STATES = {"active": True, "inactive": False}
MAPPING = {
    "external_id": "external_id",
    "id": "external_id",
    **{f"traits.{theirs}": ours for theirs, ours in TRAITS.items()},
    **{f"traits.name.{theirs}": ours for theirs, ours in NAME.items()},
    "traits.*": "attributes",
    "state": "is_active",
    "verifiable_addresses": "email_verified",
    "credentials.password": "password_hash",
    **dict.fromkeys(theirs for theirs, name in LEFT_OUT.items() if name),
    **dict.fromkeys(("credentials.oidc", *(f"credentials.{name}" for name in sorted(SECOND_FACTORS)))),
}


def rows(path: Path, options: Options = NO_OPTIONS) -> Iterator[Row]:
    """Yield each identity. Raises FileRefused, also where there is none."""
    return objects.rows(path, _row, WHAT, member="identities")


def _row(number: int, behind: float, sent: dict[str, Any]) -> Row:
    identity = sent.get("create", sent)
    identity = {name: value for name, value in identity.items() if name not in TOLD}
    faults: list[Invalid] = []
    values = _values(identity["traits"])
    if external_id := identity.get("external_id") or identity.get("id"):
        values["external_id"] = external_id
    credentials = identity.get("credentials") or {}
    password = (credentials.get("password") or {}).get("config") or {}
    return Row(
        number=number,
        behind=behind,
        sent=sent,
        values=values,
        is_active=STATES[identity["state"]] if identity.get("state") else None,
        email_verified=_verified(identity.get("verifiable_addresses") or [], values.get("email")),
        password=secret(password.get("password"), "password", faults),
        password_hash=stored_hash(secret(password.get("hashed_password"), "password_hash", faults), faults),
        left_out=_left_out(identity, credentials),
        faults=tuple(faults),
    )


def _values(traits: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    others: dict[str, Any] = {}
    name = traits.get("name")
    parts = name if isinstance(name, dict) and set(name) <= set(NAME) else {}
    for trait, value in traits.items():
        if trait in TRAITS and isinstance(value, str):
            values.setdefault(TRAITS[trait], value)
        elif not (trait == "name" and parts) and value is not None:
            others[trait] = value
    values |= {NAME[part]: text for part, text in parts.items() if text}
    return values | ({"attributes": others} if others else {})


def _verified(addresses: list[dict[str, Any]], email: Any) -> bool | None:
    """Tell whether the identity's e-mail is verified; None where nothing is said about it."""
    told = [
        address.get("verified") is True
        for address in addresses
        if isinstance(email, str) and str(address.get("value")).casefold() == email.casefold()
    ]
    return any(told) if told else None


def _left_out(identity: dict[str, Any], credentials: dict[str, Any]) -> frozenset[str]:
    names = left_out(identity, KNOWN, LEFT_OUT)
    if ((credentials.get("password") or {}).get("config") or {}).get("use_password_migration_hook"):
        names.add("password_not_imported")
    if credentials.get("oidc") or credentials.get("saml"):
        names.add("federated_identities_not_imported")
    if SECOND_FACTORS & {name for name, credential in credentials.items() if credential}:
        names.add("second_factor_not_imported")
    return frozenset(names)
