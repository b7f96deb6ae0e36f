"""How whoever asks for something about many people says that they know how many: by the number, or a preview's token.

The token is a preview's number of people and its time, signed for this caller and this call. The job then concerns
those alone who had joined by that time, and no more of them than the number.
"""

import hmac
import json
import time
from datetime import UTC, datetime
from typing import NamedTuple

from django.conf import settings
from django.utils.timezone import now

from populace.audit.actors import Actor
from populace.bulk.chosen import Chosen
from populace.bulk.errors import NotConfirmed
from populace.users.counts import exact

UNCONFIRMED = 1_000
"""People who may be concerned without a word."""

TOKEN_S = 15 * 60
"""Seconds that a preview's token is good for."""


class Confirmed(NamedTuple):
    """At most so many people, of those who had joined by then."""

    most: int
    joined_by: datetime


def confirmed(chosen: Chosen, confirm: str | int | None, *, by: Actor) -> Confirmed:
    """Return what whoever asks has confirmed. Raises NotConfirmed, Refused where the people cannot be counted."""
    at = now()
    if chosen.ids is not None:
        return Confirmed(len(chosen.ids), at)
    if isinstance(confirm, str) and (opened := _opened(confirm, chosen, by)):
        return opened
    people = chosen.people(by).filter(date_joined__lte=at)
    few = people[: UNCONFIRMED + 1].count()
    count = few if few <= UNCONFIRMED else exact(people, "filter")
    if not (confirm is None and few <= UNCONFIRMED) and (
        isinstance(confirm, bool) or confirm not in (count, str(count))
    ):
        raise NotConfirmed(count)  # whoever says a number means it, however small
    return Confirmed(count, at)


def token_of(chosen: Chosen, count: int, at: datetime, *, by: Actor) -> str:
    """Return the token of a preview that found `count` people at a time."""
    body = f"{count}.{round(at.timestamp() * 1_000_000)}"
    return f"{body}.{_signature(body, chosen, by, settings.SECRET_KEY)}"


def _opened(text: str, chosen: Chosen, by: Actor) -> Confirmed | None:
    body, _, signature = text.rpartition(".")
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    signed = (_signature(body, chosen, by, secret) for secret in secrets)
    if not any(hmac.compare_digest(signature.encode(errors="replace"), one.encode()) for one in signed):
        return None
    count, _, at = body.partition(".")
    if int(at) / 1_000_000 + TOKEN_S < time.time():
        return None
    return Confirmed(int(count), datetime.fromtimestamp(int(at) / 1_000_000, UTC))


def _signature(body: str, chosen: Chosen, by: Actor, secret: str) -> str:
    # Whether some may be left out is decided on seeing the preview.
    told = {name: value for name, value in chosen.stored().items() if name != "partial"}
    key = hmac.digest(secret.encode(), b"populace bulk preview 1", "sha256")
    return hmac.digest(key, json.dumps([body, str(by.id), told], sort_keys=True).encode(), "sha256").hex()
