"""The index of parts of names, user names and e-mail addresses: that it is there if it is wanted, and kept clean."""

from typing import Any

import structlog
from django.conf import settings
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from populace.infra.db.parts import Parts
from populace.infra.db.parts_terms import Texts, Unavailable
from populace.users.models import User
from populace.users.querysets import SEARCHED

PARTS = Parts(Texts("user_parts", User._meta.db_table, SEARCHED))

log = structlog.get_logger(__name__)


def after_migrations(using: str, **_: Any) -> None:
    """Make the index, or remove it where POPULACE_SEARCH_PARTS is off; one line of the log where it cannot be had."""
    if User._meta.db_table not in connections[using].introspection.table_names():
        return  # all migrations have been undone
    if not settings.SEARCH_PARTS:
        PARTS.drop(using)
        return
    try:
        PARTS.ensure(using)
    except Unavailable as reason:
        log.warning("search_finds_no_parts", reason=str(reason))


def in_use(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether `q` finds parts here."""
    return bool(settings.SEARCH_PARTS) and PARTS.available(connection)


def forget_parts() -> bool:
    """Remove from the index what is left of who was erased; tell whether there is more."""
    return PARTS.tidy(connections[router.db_for_write(User)])
