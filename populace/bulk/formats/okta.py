"""Okta: users as its API lists them, which has no passwords, and the shape in which it takes users with their hashes.

Fields: https://developer.okta.com/docs/api/openapi/okta-management/management/tag/User/ (User, PasswordCredential).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from populace.bulk.formats import objects
from populace.bulk.formats.fields import hash_of, is_phone, left_out, secret
from populace.bulk.rows import NO_OPTIONS, Options, Row
from populace.credentials.vendors import from_okta
from populace.users.errors import Invalid

WHAT = "a user as Okta writes one"

FIELDS = {
    "email": "email",
    "firstName": "first_name",
    "lastName": "last_name",
    "locale": "locale",
    "timezone": "timezone",
}
INACTIVE = {"STAGED", "SUSPENDED", "DEPROVISIONED"}
STATES = dict.fromkeys(("ACTIVE", "PROVISIONED", "RECOVERY", "LOCKED_OUT", "PASSWORD_EXPIRED"), True) | dict.fromkeys(
    INACTIVE, False
)
LEFT_OUT = {
    "created": "created_not_kept",
    "groupIds": "groups_not_imported",  # ids, no names
    **dict.fromkeys(("activated", "statusChanged", "lastLogin", "lastUpdated", "passwordChanged"), "history_not_kept"),
    **dict.fromkeys(("type", "_links", "_embedded", "realmId", "transitioningToStatus"), ""),
}
MAPPING = {
    "id": "external_id",
    "status": "is_active",
    "profile.login": "username",
    **{f"profile.{theirs}": ours for theirs, ours in FIELDS.items()},
    "profile.mobilePhone": "phone",
    "profile.*": "attributes",
    "credentials.password": "password_hash",
    "credentials.emails": "email_verified",
    **dict.fromkeys(
        ("credentials.provider", "credentials.recovery_question", *(name for name, told in LEFT_OUT.items() if told))
    ),
}


def rows(path: Path, options: Options = NO_OPTIONS) -> Iterator[Row]:
    """Yield each user. Raises FileRefused, also where there is none."""
    return objects.rows(path, _row, WHAT)


def _row(number: int, behind: float, sent: dict[str, Any]) -> Row:
    faults: list[Invalid] = []
    credentials = sent.get("credentials") or {}
    password = credentials.get("password") or {}
    left = left_out(sent, {"id", "status", "profile", "credentials"}, LEFT_OUT)
    return Row(
        number=number,
        behind=behind,
        sent=sent,
        values=_values(sent),
        is_active=STATES[sent["status"]] if sent.get("status") else None,
        email_verified=_verified(credentials),
        password=secret(password.get("value"), "password", faults),
        password_hash=hash_of(from_okta, faults, password["hash"]) if password.get("hash") else "",
        left_out=frozenset(left | _left_of(credentials, password)),
        faults=tuple(faults),
    )


def _values(sent: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in sent["profile"].items() if value is not None and value != ""}
    values = {ours: given.pop(theirs) for theirs, ours in FIELDS.items() if theirs in given}
    if sent.get("id"):
        values["external_id"] = sent["id"]
    if isinstance(values.get("locale"), str):
        values["locale"] = values["locale"].replace("_", "-")
    login = str(given.get("login", ""))
    if "@" not in login or login.casefold() == str(values.get("email")).casefold():
        values |= {"username": given.pop("login")} if login else {}
    elif "email" not in values:
        values["email"] = given.pop("login")
    # Free text in Okta: what is no number of anybody's stays with the other attributes.
    if is_phone(given.get("mobilePhone")):
        values["phone"] = given.pop("mobilePhone")
    return values | ({"attributes": given} if given else {})


def _verified(credentials: Mapping[str, Any]) -> bool | None:
    told = [one.get("status") == "VERIFIED" for one in credentials.get("emails") or () if one.get("type") == "PRIMARY"]
    return any(told) if told else None


def _left_of(credentials: Mapping[str, Any], password: Mapping[str, Any]) -> set[str]:
    left = set()
    if (credentials.get("provider") or {}).get("type") in ("FEDERATION", "SOCIAL"):
        left.add("federated_identities_not_imported")
    elif "password" in credentials and not (password.get("value") or password.get("hash")):
        left.add("password_not_imported")
    if credentials.get("recovery_question"):
        left.add("recovery_question_not_imported")
    return left
