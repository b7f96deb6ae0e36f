"""What `populace up` does before it serves: schema, administrator, demo people, credentials.env.

Every step asks what is there already, so a start that was stopped anywhere is finished by the next one.
"""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from django.conf import settings

from config.env import pairs, write_private
from populace.audit.actors import SYSTEM
from populace.audit.permissions import ADMIN
from populace.cli import demo
from populace.cli.migrating import migrate
from populace.credentials.actions import create_token, revoke_token, set_password
from populace.credentials.hashing import hash_password
from populace.credentials.models import ApiToken
from populace.credentials.tokens import digest_of
from populace.groups.actions import change_roles
from populace.groups.reads import there_is_an_owner
from populace.infra.db.fields import FOREVER
from populace.users.actions import activate_user, create_user
from populace.users.models import User
from populace.users.reads import user_id_of

ADMIN_EMAIL = "admin@example.org"
OWNER = "owner"
TOKEN_NAME = "make run"  # noqa: S105


def prepare(report: Callable[[float], None]) -> Path:
    """Bring database and var folder to where serving can begin; returns the path of credentials.env.

    `report` is told how many of the demo people are done, 0 to 1.
    """
    migrate()
    path: Path = settings.VAR_DIR / "credentials.env"
    kept = pairs(path)
    owner_id = _owner_of(kept.get("POPULACE_TOKEN", ""))
    if owner_id is None:
        owner_id, kept = _administrator()
    elif not there_is_an_owner():  # an earlier version, which knew no roles, made the administrator
        change_roles(owner_id, add=[OWNER], by=SYSTEM, quiet=True)
    _demo_people(owner_id, report)
    url = {"POPULACE_URL": f"http://127.0.0.1:{settings.PORT}"}
    values = url | kept | url
    if values != pairs(path):
        write_private(path, values)
    return path


def _owner_of(secret: str) -> UUID | None:
    """Return whose administrator's token this is; None where it does not work on this database."""
    now = datetime.now(UTC)
    token = ApiToken.objects.filter(digest=digest_of(secret) or "", revoked_at__gt=now, expires_at__gt=now).first()
    if token is None or ADMIN not in token.scopes.split():
        return None
    return token.user_id if User.objects.filter(id=token.user_id, is_active=True).exists() else None


def _administrator() -> tuple[UUID, dict[str, str]]:
    """Make the administrator, or give the one who is there a new password and token; returns the id and both."""
    password = secrets.token_urlsafe(18)
    encoded = hash_password(password)
    owner_id = user_id_of("email", ADMIN_EMAIL)
    if owner_id is None:
        create_user(by=SYSTEM, values={"email": ADMIN_EMAIL}, password_hash=encoded, email_verified=True, quiet=True)
        owner_id = user_id_of("email", ADMIN_EMAIL)
    else:
        set_password(owner_id, password_hash=encoded, by=SYSTEM)
        activate_user(owner_id, by=SYSTEM)  # or the token would open nothing
    assert owner_id is not None
    change_roles(owner_id, add=[OWNER], by=SYSTEM, quiet=True)
    # The secrets of these are lost with their file, or not lost but somewhere else.
    for token in ApiToken.objects.filter(user_id=owner_id, name=TOKEN_NAME, revoked_at=FOREVER):
        revoke_token(token.id, by=SYSTEM)
    _, secret = create_token(owner_id=owner_id, name=TOKEN_NAME, scopes=[ADMIN], by=SYSTEM)
    return owner_id, {
        "POPULACE_ADMIN_EMAIL": ADMIN_EMAIL,
        "POPULACE_ADMIN_PASSWORD": password,
        "POPULACE_TOKEN": secret,
    }


def _demo_people(owner_id: UUID, report: Callable[[float], None]) -> None:
    """Make settings.DEMO people where there is nobody but the administrator.

    While it runs, a mark names the administrator of this database: a start that was stopped is told from a directory
    whose people somebody has begun to remove, and from another database.
    """
    mark = settings.VAR_DIR / "run" / "demo"
    stopped = mark.exists() and mark.read_text() == str(owner_id)
    if not stopped and User.objects.exclude(id=owner_id).exists():
        return
    mark.write_text(str(owner_id))
    start = User.objects.count() - 1
    demo.create(settings.DEMO - start, start=start, report=report)
    mark.unlink()
