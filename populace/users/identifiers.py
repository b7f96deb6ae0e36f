"""What a person is found by, and when two spellings of it are one: the keys of Identifier.

Every function takes what was typed and returns what is compared, or raises Invalid. Length is checked before any
mapping, so that a long text costs nothing; characters that our Unicode tables do not know are refused, because two
versions of the tables would disagree about them.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import idna
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from precis_i18n import get_profile

from populace.users.errors import Invalid
from populace.users.lookalikes import is_mixed, skeleton
from populace.users.models import Identifier, User
from populace.users.profile import line

USERNAME_MAX = 64  # code points, as typed
USERNAME_NORMAL_MAX = 128  # code points; a few Hebrew and Devanagari letters become two or three
EMAIL_MAX = 254  # octets: RFC 5321 section 4.5.3.1.3 less the angle brackets
EMAIL_LOCAL_MAX = 64  # octets: RFC 5321 section 4.5.3.1.1
PHONE_MAX = 32  # characters, as typed
EXTERNAL_ID_MAX = 255  # code points
NAME_NORMAL_MAX = 400  # code points; compatibility mapping makes one of them up to 18

RESERVED = {"me", "self", "null", "undefined", ".", "..", "api", ".well-known", "console", "static"}
"""User names that would be read as something else in a URL or a JSON document."""

CONFUSABLE = "confusable"
"""The kind of identifier that holds what a user name looks like, so that no other can look the same."""

_username = get_profile("UsernameCaseMapped")
_email_syntax = EmailValidator()
_ascii_name = re.compile(r"[!-~]+")  # the whole of PRECIS' ASCII7 class (RFC 8264 section 9.11)
_phone = re.compile(r"\+[1-9][0-9]{6,14}")
_phone_marks = str.maketrans("", "", " -()")


class EmailParts(NamedTuple):
    """An address as it is compared, and the part after its @."""

    normal: str
    domain: str


def username_normal(raw: str) -> str:
    """Return the user name as compared: UsernameCaseMapped of RFC 8265 section 3.3. Raises Invalid.

    `reserved`: a name that is also an e-mail, an id, a phone number or a path, so that one identifier
    never stands for two people. `mixed_script`: letters that no one writing system uses together, such as Cyrillic and
    Latin.
    """
    if len(raw) > USERNAME_MAX:
        raise Invalid("max_length", f"A user name has at most {USERNAME_MAX} characters.")
    normal = _prepared(raw)
    if len(normal) > USERNAME_NORMAL_MAX:
        raise Invalid("max_length", f"A user name has at most {USERNAME_MAX} characters.")
    if normal in RESERVED or "@" in normal or _phone.fullmatch(normal) or _is_id(normal):
        raise Invalid("reserved", "This user name is reserved.")
    if is_mixed(normal):
        raise Invalid("mixed_script", "Mixes letters of several scripts.")
    return normal


def _prepared(raw: str) -> str:
    # PRECIS changes nothing but the case of ASCII, and costs 28 µs to say so.
    if _ascii_name.fullmatch(raw):
        return raw.lower()
    try:
        return _username.enforce(raw)
    except UnicodeEncodeError as error:
        raise Invalid("invalid", "Holds a character that a user name may not have (RFC 8265).") from error


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def email_normal(raw: str) -> EmailParts:
    """Return the address as compared: domain as lower-case A-labels (UTS 46), local part ASCII and case-folded.

    Refuses what has two spellings by nature (quoted local parts) or no name (address literals). Raises Invalid.
    """
    local, _, domain = raw.partition("@")
    # Invisible characters vanish in UTS 46's mapping, but not from the address that mail would be sent to; and to
    # Django's syntax, which ignores case, dotless i, long s and the Kelvin sign are Latin letters.
    # And `=?` begins what mail programs decode into another address (RFC 2047).
    if not raw.isprintable() or "@" in domain or '"' in local or "=?" in local or not local.isascii():
        raise Invalid("invalid", "Not an e-mail address.")
    if len(raw.encode()) > EMAIL_MAX or len(local.encode()) > EMAIL_LOCAL_MAX:
        raise Invalid("max_length", f"An e-mail address has at most {EMAIL_MAX} octets.")
    try:
        domain = _domain(domain)
        _email_syntax(f"{local}@{domain}")
    except (idna.IDNAError, ValidationError) as error:
        raise Invalid("invalid", "Not an e-mail address.") from error
    normal = f"{local.casefold()}@{domain}"
    if len(normal.encode()) > EMAIL_MAX:
        raise Invalid("max_length", f"An e-mail address has at most {EMAIL_MAX} octets.")
    return EmailParts(normal, domain)


@lru_cache(maxsize=1024)
def _domain(raw: str) -> str:
    # Half of an address's cost; a directory holds few domains, so most are answered from here.
    return idna.encode(raw, uts46=True, std3_rules=True).decode()


def phone_normal(raw: str) -> str:
    """Return the number as ITU-T E.164 writes it: `+` and 7 to 15 digits; spaces, dashes, brackets drop out."""
    number = raw[: PHONE_MAX + 1].translate(_phone_marks)
    if len(raw) > PHONE_MAX or not _phone.fullmatch(number):
        raise Invalid("invalid", "Not a phone number such as +43 1 234567 (E.164).")
    return number


def external_id(raw: str) -> str:
    """Return the other system's id as it is: its spelling is that system's business."""
    if len(raw) > EXTERNAL_ID_MAX:
        raise Invalid("max_length", f"An external id has at most {EXTERNAL_ID_MAX} characters.")
    if raw.isspace():
        raise Invalid("invalid", "Blanks alone are no id.")
    return line(raw)


def name_normal(raw: str) -> str:
    """Return a first or last name for order and prefix search: NFKC and case-folded, its first 400 code points."""
    folded = unicodedata.normalize("NFKC", raw).casefold()
    return unicodedata.normalize("NFKC", folded)[:NAME_NORMAL_MAX]


NORMAL: dict[str, Callable[[str], str]] = {
    "email": lambda raw: email_normal(raw).normal,
    "external_id": external_id,
    "phone": phone_normal,
    "username": username_normal,
}
"""Each kind of identifier that a person is found by, and how it is compared."""


def key_of(kind: str, normal: str) -> str:
    """Return the primary key under which Identifier holds a normalised value."""
    return f"{kind}:{normal}"


def claims(user: User) -> list[Identifier]:
    """Return the rows that hold the user's identifiers, sorted by `claimed_in_turn`.

    Made from the stored normal forms, not from what was typed: a newer Unicode version must find the same keys.
    """
    held = {
        "email": user.email_normal,
        "external_id": user.external_id,
        "phone": user.phone,
        "username": user.username_normal,
        CONFUSABLE: user.username_normal and skeleton(user.username_normal),
    }
    keys = [key_of(kind, normal) for kind, normal in held.items() if normal]
    rows = [Identifier(key=key, user_id=user.id, unicode_version=unicodedata.unidata_version) for key in keys]
    return sorted(rows, key=claimed_in_turn)


def claimed_in_turn(claim: Identifier) -> tuple[bool, str]:
    """Return the place of a claim in one order for all writers, so that two never wait for each other in turn.

    User names come before what they look like: a twin is told as a twin, also where the first clash ends the write.
    """
    return claim.key.startswith(f"{CONFUSABLE}:"), claim.key
