"""`populace user` and `populace token`: single people and tokens, by the same verbs as the API."""

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import typer

from populace.cli.directory import directory
from populace.cli.output import CANNOT_RUN, USAGE, Failure, result

users = typer.Typer(help="Single people.", no_args_is_help=True, rich_markup_mode=None)
tokens = typer.Typer(help="API tokens.", no_args_is_help=True, rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Who = Annotated[str, typer.Argument(help="Id, e-mail, user name, phone, or external_id:VALUE.")]


@users.command("create")
def create_user(
    email: str = "",
    username: str = "",
    first_name: str = "",
    last_name: str = "",
    external_id: str = "",
    phone: str = "",
    kind: Annotated[str, typer.Option(help="person or service")] = "person",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input, never from the arguments.")
    ] = False,
    role: Annotated[list[str] | None, typer.Option(help="A role to hold, such as owner; several times.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No welcome mail.")] = False,
    as_json: AsJson = False,
) -> None:
    """Create a person or a service account and print the document."""
    given = {
        "email": email,
        "username": username,
        "first_name": first_name,
        "last_name": last_name,
        "external_id": external_id,
        "phone": phone,
        "kind": kind,
    }
    with directory():
        from populace.audit.actors import SYSTEM
        from populace.credentials.hashing import check_policy, hash_password
        from populace.groups.actions import change_roles, check_roles
        from populace.users import actions
        from populace.users.documents import new_values

        values = new_values({name: value for name, value in given.items() if value})
        kind = values.pop("kind")
        check_roles(role or ())  # before there is a person
        encoded = "!"
        if password_stdin:
            password = _password()
            check_policy(password, username=username)
            encoded = hash_password(password)
        document = actions.create_user(by=SYSTEM, values=values, kind=kind, password_hash=encoded, quiet=quiet)
        if role:
            change_roles(UUID(json.loads(document)["id"]), add=role, by=SYSTEM, quiet=quiet)
    _print(document, as_json=as_json)


def _password() -> str:
    """Return the first line of standard input; raises PasswordRefused where it is not text."""
    from populace.credentials.hashing import PasswordRefused

    try:
        return sys.stdin.readline().rstrip("\n")
    except UnicodeDecodeError:
        raise PasswordRefused("invalid", "Must be text.") from None


@users.command("show")
def show_user(who: Who, as_json: AsJson = False) -> None:
    """Print the document of one person."""
    with directory():
        from populace.users.errors import UserNotFound
        from populace.users.reads import USER

        document = USER.one(id=find(who))
        if document is None:
            raise UserNotFound
    _print(document, as_json=as_json)


@users.command("check-password")
def check_password(who: Who) -> None:
    """Tell whether the first line of standard input is a person's password: exit code 0, else 1. Counts as no sign-in.

    A hash that came from elsewhere stays as it is.
    """
    with directory():
        from populace.credentials.hashing import verify_password
        from populace.users.errors import UserNotFound
        from populace.users.models import User

        encoded = User.objects.filter(pk=find(who)).values_list("password", flat=True).first()
        if encoded is None:
            raise UserNotFound
        is_right = verify_password(_password(), encoded)
    if not is_right:
        raise Failure(CANNOT_RUN, "wrong_password")


@users.command("grant")
def grant(who: Who, role: Annotated[list[str], typer.Argument(help="Such as viewer or owner.")]) -> None:
    """Give a person roles."""
    _change_roles(who, add=role)


@users.command("withdraw")
def withdraw(who: Who, role: Annotated[list[str], typer.Argument(help="Such as viewer or owner.")]) -> None:
    """Take roles from a person; not from the last active owner."""
    _change_roles(who, remove=role)


def _change_roles(who: str, **lists: list[str]) -> None:
    with directory():
        from populace.audit.actors import SYSTEM
        from populace.groups.actions import change_roles

        held = change_roles(find(who), by=SYSTEM, **lists)  # type: ignore[arg-type]
    result({"roles": held}, as_json=False)


def find(who: str) -> UUID:
    """Return the id of the person that `who` names in one of the ways the help lists; raises UserNotFound."""
    from populace.users.errors import UserNotFound
    from populace.users.identifiers import NORMAL
    from populace.users.reads import user_id_of

    try:
        return UUID(who)
    except ValueError:
        pass
    kind, _, value = who.partition(":")
    if kind not in NORMAL:
        kind, value = "email" if "@" in who else "phone" if who.startswith("+") else "username", who
    # A user name may hold a colon, too.
    found = user_id_of(kind, value) or user_id_of("username", who)
    if found is None:
        raise UserNotFound
    return found


@tokens.command("create")
def create_token(
    owner: Annotated[str, typer.Option(help="Whose rights it has: id, e-mail, user name, phone, external_id:VALUE.")],
    name: Annotated[str, typer.Option(help="What it is for.")],
    scope: Annotated[list[str], typer.Option(help="Such as users:read or admin; may be given several times.")],
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="How long it works; for ever if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Create an API token and print its secret, which is shown this once."""
    with directory():
        from populace.audit.actors import SYSTEM
        from populace.credentials import actions
        from populace.credentials.tokens import SCOPES

        if unknown := sorted(set(scope) - set(SCOPES)):
            raise Failure(USAGE, f"unknown scope {unknown[0]}; there are {', '.join(SCOPES)}")
        expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
        token, secret = actions.create_token(
            owner_id=find(owner), name=name, scopes=scope, expires_at=expires_at, by=SYSTEM
        )
    result({"id": str(token.id), "name": name, "scopes": scope, "secret": secret}, as_json=as_json)


@tokens.command("revoke")
def revoke_token(token_id: Annotated[UUID, typer.Argument()]) -> None:
    """Make a token useless from the next request on."""
    with directory():
        from populace.audit.actors import SYSTEM
        from populace.credentials import actions

        actions.revoke_token(token_id, by=SYSTEM)


def _print(document: bytes, *, as_json: bool) -> None:
    values: dict[str, Any] = json.loads(document)
    result(values, as_json=as_json)
