"""Which tables move with a directory, in which order, and why the others stay behind."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Model

from populace.audit.models import Counter, Event, Feed
from populace.credentials.models import ApiToken
from populace.groups.models import Group, GroupClosure, GroupParent, GroupRole, Membership, Role, RoleAssignment
from populace.users.models import AttributeSchema, AttributeValue, Identifier, User

MOVED: tuple[type[Model], ...] = (
    User,
    Identifier,
    AttributeSchema,
    AttributeValue,
    Group,
    GroupParent,
    GroupClosure,
    Membership,
    Role,
    RoleAssignment,
    GroupRole,
    ApiToken,
    Event,
    Feed,
    Counter,
)
"""Whatever a row names stands before it."""

SHIPPED: tuple[type[Model], ...] = (Role, Counter)
"""A new database has rows of these; what moves takes their place."""

STAYS = {
    "audit.outbox": "empty when an export is made: every event is in the feed",
    "tasks.taskrow": "nothing is left to do when an export is made",
    "bulk.job": "done, or to be asked for anew: its files lie elsewhere",
    "bulk.jobfile": "belongs to a job",
    "bulk.joberror": "belongs to a job",
    "bulk.bulktarget": "belongs to a job",
    "api.receipt": "answers calls that are repeated within a day",
    "groups.rightsversion": "counts the changes of one database, of which an import is one",
    "logins.session": "signed with the secret key of the old installation; people sign in anew",
    "auth.permission": "Django's own, made by its migrations; the directory has roles",
    "auth.group": "Django's own; the directory has groups of its own",
    "contenttypes.contenttype": "Django's own, made by its migrations",
    "admin.logentry": "Django's own; the directory's events are the log",
}
"""Models by label, and why no row of theirs moves."""


def columns(model: type[Model]) -> list[str]:
    """Return the names of a model's columns, in the order in which its constructor takes their values."""
    return [field.attname for field in model._meta.concrete_fields]


def key(model: type[Model]) -> list[str]:
    """Return the columns of a model's primary key."""
    return [field.attname for field in model._meta.pk_fields]


def label(model: type[Model]) -> str:
    """Return the name that stands for a model in a file."""
    return model._meta.label_lower


def reader(model: type[Model]) -> Callable[[list[Any]], Model]:
    """Return what makes the model of a file's row; it raises ValueError or TypeError where the row is none.

    Ids and times are text in the file; everything else is what JSON says.
    """
    fields = [getattr(field, "target_field", field) for field in model._meta.concrete_fields]
    parsers = [PARSERS.get(field.get_internal_type(), _as_it_is) for field in fields]

    def read(row: list[Any]) -> Model:
        pairs = zip(parsers, row, strict=True)
        return model(*(value if value is None else parse(value) for parse, value in pairs))

    return read


def _as_it_is(value: Any) -> Any:
    return value


PARSERS: dict[str, Callable[[Any], Any]] = {"UUIDField": UUID, "DateTimeField": datetime.fromisoformat}
