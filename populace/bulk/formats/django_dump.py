"""Django's `dumpdata` as JSON or JSON Lines: of `auth.user`, or of any user model; groups and allauth's addresses too.

Fields: https://docs.djangoproject.com/en/6.1/topics/serialization/ and AbstractUser. The file is read twice: what other
models say of a person may stand before or behind them.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from populace.bulk.formats import objects
from populace.bulk.formats.fields import TOLD, flag, left_out, secret, stored_hash
from populace.bulk.rows import NO_OPTIONS, Options, Row
from populace.users.errors import Invalid

WHAT = "an object as dumpdata writes one"

FIELDS = {"username": "username", "email": "email", "first_name": "first_name", "last_name": "last_name"}
RIGHTS = "rights_not_imported"
LEFT_OUT = {
    "is_staff": RIGHTS,
    "is_superuser": RIGHTS,
    "user_permissions": RIGHTS,
    "date_joined": "created_not_kept",
    "last_login": "history_not_kept",
}
KNOWN = {*FIELDS, "password", "is_active", "groups"}
MAPPING = {
    "pk": "external_id",
    **{f"fields.{theirs}": ours for theirs, ours in FIELDS.items()},
    "fields.password": "password_hash",
    "fields.is_active": "is_active",
    "fields.groups": "groups",
    "fields.*": "attributes",
    "account.emailaddress": "email_verified",
    **dict.fromkeys(("socialaccount.socialaccount", "mfa.authenticator", *(f"fields.{name}" for name in LEFT_OUT))),
}
BESIDE = {
    "socialaccount.socialaccount": "federated_identities_not_imported",
    "mfa.authenticator": "second_factor_not_imported",
}
"""Models of allauth that say of a person what has no place here."""

VERIFIED = "email_verified"  # also a member that an error file adds: the addresses are not in it


def rows(path: Path, options: Options = NO_OPTIONS) -> Iterator[Row]:
    """Yield each user. Raises FileRefused, also where there is none."""
    beside = _Beside()

    def to_row(number: int, behind: float, sent: dict[str, Any]) -> Row:
        return _row(number, behind, sent, beside)

    def found() -> Iterator[Row]:
        with closing(beside):
            for _ in objects.rows(path, beside.read, WHAT):
                pass
            yield from objects.rows(path, to_row, WHAT, keep=_is_user)

    return found()


def _is_user(sent: Any) -> bool:
    """Tell whether it is of a user model, or no object of dumpdata at all, which is then told."""
    fields = sent.get("fields") if isinstance(sent, dict) and isinstance(sent.get("model"), str) else None
    return not isinstance(fields, dict) or ("password" in fields and ("last_login" in fields or "is_active" in fields))


class _Beside:
    """What other models say of people: in a file without a name, for however many there are."""

    def __init__(self) -> None:
        self._kept = sqlite3.connect("")
        self._kept.execute("CREATE TABLE told (about TEXT, what TEXT, PRIMARY KEY (about, what)) WITHOUT ROWID")
        self._groups: dict[str, str] = {}  # as many as an installation has

    def close(self) -> None:
        """Forget it."""
        self._kept.close()

    def read(self, number: int, behind: float, sent: dict[str, Any]) -> Row:
        """Keep what an object says of a person or group; the row is nobody."""
        model, fields = sent["model"], sent["fields"]
        if model == "auth.group":
            self._groups[_key(sent.get("pk"))] = fields["name"]
        elif model == "account.emailaddress" and fields["verified"] is True:
            self._tell(fields["user"], f"{VERIFIED} {fields['email'].casefold()}")
        elif model in BESIDE:
            self._tell(fields["user"], BESIDE[model])
        return Row(number=number, behind=behind)

    def _tell(self, about: Any, what: str) -> None:
        self._kept.execute("INSERT OR IGNORE INTO told VALUES (?, ?)", (_key(about), what))

    def told(self, sent: dict[str, Any]) -> set[str]:
        """Return what was said of a user, by their key or their natural key."""
        keys = (_key(sent.get("pk")), _key([sent["fields"].get("username")]))
        found = self._kept.execute("SELECT what FROM told WHERE about IN (?, ?)", keys)
        return {what for (what,) in found}

    def names(self, groups: list[Any]) -> list[str]:
        """Return the names of groups that come by key or by natural key. Raises KeyError for one that is not there."""
        return [one[0] if isinstance(one, list) else self._groups[_key(one)] for one in groups]


def _key(value: Any) -> str:
    return json.dumps(value)


def _row(number: int, behind: float, sent: dict[str, Any], beside: _Beside) -> Row:
    fields, faults = sent["fields"], list[Invalid]()
    told = beside.told(sent)
    groups = beside.names(fields.get("groups") or [])
    email = str(fields.get("email") or "").casefold()
    verified = sent.get(VERIFIED, f"{VERIFIED} {email}" in told or None)
    password = secret(fields.get("password"), "password_hash", faults)
    left = left_out(fields, fields.keys() - LEFT_OUT.keys(), LEFT_OUT)
    return Row(
        number=number,
        behind=behind,
        # Groups and addresses are other objects of the dump: an error file has the user alone.
        sent=sent | {"fields": fields | {"groups": [[name] for name in groups]}, VERIFIED: verified},
        values=_values(sent, fields),
        is_active=flag(fields.get("is_active"), "is_active", faults),
        email_verified=flag(verified, VERIFIED, faults),
        password_hash="" if password.startswith("!") else stored_hash(password, faults),
        groups=tuple(groups),
        left_out=frozenset(left | (told & set(BESIDE.values()))),
        faults=tuple(faults),
    )


def _values(sent: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    values = {ours: fields[theirs] for theirs, ours in FIELDS.items() if fields.get(theirs)}
    if isinstance(fields.get("username"), str) and "@" in fields["username"] and "email" not in values:
        values["email"] = values.pop("username")  # as people sign in there
    if sent.get("pk") is not None:
        values["external_id"] = str(sent["pk"])
    known = {*KNOWN, *LEFT_OUT, *TOLD}
    if others := {name: value for name, value in fields.items() if name not in known and value not in (None, "")}:
        values["attributes"] = others
    return values
