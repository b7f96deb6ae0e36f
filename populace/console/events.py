"""Events as console pages show them: newest first, with names where somebody still has one."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from populace.audit.actors import SYSTEM
from populace.audit.models import Event
from populace.console.texts import NONE
from populace.groups.models import Group
from populace.users.models import User

VALUE_SHOWN = 80  # characters of an old or new value


class Row(NamedTuple):
    """An event, ready to be shown."""

    event: Event
    subject: str
    actor: str
    changes: list[tuple[str, str, str]]  # field, old, new


def rows_of(events: Iterable[Event]) -> list[Row]:
    """Return the rows of a page; at most two statements for all the names on it."""
    shown = list(events)
    names = names_of(shown)
    return [
        Row(event, names.get(event.subject_id, ""), names.get(event.actor, ""), changes_of(event)) for event in shown
    ]


def names_of(events: Sequence[Event]) -> dict[UUID, str]:
    """Return who or what the ids in these events are, as far as that is still known."""
    names: dict[UUID, str] = {SYSTEM.id: "Populace"}
    people = {event.actor for event in events} | {event.subject_id for event in events if event.subject_kind == "user"}
    groups = {event.subject_id for event in events if event.subject_kind == "group"}
    if people := people - set(names):
        names |= {user.pk: str(user) for user in User.objects.filter(pk__in=people).only("id", "username", "email")}
    if groups:
        names |= {group.pk: str(group) for group in Group.objects.filter(pk__in=groups)}
    return names


def changes_of(event: Event) -> list[tuple[str, str, str]]:
    """Return what an event changed; nothing once its personal values are erased."""
    changes = (event.details or {}).get("changes") or {}
    return [(field, _short(pair.get("old")), _short(pair.get("new"))) for field, pair in changes.items()]


def _short(value: Any) -> str:
    if value in (None, "", [], {}):
        return NONE
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= VALUE_SHOWN else f"{text[:VALUE_SHOWN]}…"
