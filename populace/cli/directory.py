"""Django, set up only for the commands that need it, and its errors as exit codes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from populace.cli.output import CANNOT_RUN, REFUSED, Failure


def set_up() -> None:
    """Read the settings and load the apps. Costs half a second, so `--help` does without."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()


@contextmanager
def directory() -> Iterator[None]:
    """Set up for the block; what the directory refuses ends it with code 4, a database out of reach with 1."""
    set_up()
    from django.db import DatabaseError, InterfaceError

    from populace.credentials.errors import NAME_MAX, NameTooLong, TokenNotFound, TooManyTokens
    from populace.credentials.hashing import HashingBusy, PasswordRefused
    from populace.users.errors import IdentifierTaken, Invalid, LastOwner, NoIdentifier, UserNotFound

    try:
        yield
    except UserNotFound:
        raise Failure(REFUSED, "not_found: nobody is found by that") from None
    except TokenNotFound:
        raise Failure(REFUSED, "not_found: there is no such token") from None
    except TooManyTokens:
        raise Failure(REFUSED, "quota: this person has as many tokens as one may have") from None
    except NameTooLong:
        raise Failure(REFUSED, f"invalid: a token's name has at most {NAME_MAX} printable characters") from None
    except IdentifierTaken as taken:
        _, code = taken.refusals[0]
        what = " and ".join(kind.replace("confusable", "look-alike user name") for kind in taken.kinds)
        raise Failure(REFUSED, f"{code}: somebody else holds this {what}") from None
    except LastOwner:
        raise Failure(REFUSED, "last_owner: somebody active must hold the role owner") from None
    except NoIdentifier:
        raise Failure(REFUSED, "no_identifier: a person needs a user name, e-mail, phone or external id") from None
    except Invalid as invalid:
        words = (invalid.code, invalid.field, invalid.detail)
        raise Failure(REFUSED, ": ".join(filter(None, words))) from None
    except PasswordRefused as refused:
        raise Failure(REFUSED, f"{refused.code}: {refused.detail}") from None
    except HashingBusy:
        raise Failure(CANNOT_RUN, "overloaded: other processes hash passwords; try again") from None
    except (DatabaseError, InterfaceError) as error:
        raise Failure(CANNOT_RUN, f"database: {first_line(error)}") from None


def first_line(error: Exception) -> str:
    """Return what an error says first: drivers append hints and addresses below."""
    return (str(error).splitlines() or [type(error).__name__])[0]
