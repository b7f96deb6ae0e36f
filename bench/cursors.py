"""Prints the paths of pages in the middle of the list: `python -m bench.cursors populace|naive|limit`.

Runs with the settings of the server that it is for: Populace's cursors are signed with its secret key and bound to
the owner of the token, so they are made by Populace's own code, of places read from the table. Following `next` from
the first page would give the same after a few thousand requests, but few of them.
"""

import os
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import django

from bench.cases import BASE

NEAR = 0.45, 0.55
"""How deep the pages begin, as shares of all people."""

MOST = 1000

type Place = tuple[datetime, Any]
"""When somebody joined, and the id: the page behind them is meant."""


def places() -> list[Place]:
    """Return MOST people from the middle of the list; the same ones whenever they are asked for."""
    from django.contrib.auth import get_user_model

    people = get_user_model()._base_manager.order_by("-date_joined")  # the loader gives each an instant of their own
    low, high = (int(people.count() * share) for share in NEAR)
    found = list(people.values_list("date_joined", "pk")[low : high + 1])
    return found[:: max(1, len(found) // MOST)]


def populace() -> Callable[[Place], str]:
    from populace.api.paging import Cursor, asked_of, signed
    from populace.credentials.models import ApiToken
    from populace.credentials.tokens import digest_of

    binding = asked_of(BASE, {}).binding
    holder = str(ApiToken.objects.get(digest=digest_of(os.environ["BENCH_TOKEN"])).user_id)

    def path(place: Place) -> str:
        cursor = Cursor(holder, (place[0].isoformat(), str(place[1])), backwards=False)
        return f"{BASE}?{urlencode({'cursor': signed(cursor, binding)})}"

    return path


def naive() -> Callable[[Place], str]:
    from rest_framework.pagination import Cursor

    from bench.naive.views import NewestFirst

    paginator = NewestFirst()
    paginator.base_url = "/people/"
    return lambda place: paginator.encode_cursor(Cursor(offset=0, reverse=False, position=str(place[0])))


def limit() -> Callable[[Place], str]:
    return lambda place: f"{BASE}?cursor={place[0]:%Y-%m-%dT%H:%M:%S.%fZ},{place[1]}"


if __name__ == "__main__":
    django.setup()
    path_of = {"populace": populace, "naive": naive, "limit": limit}[sys.argv[1]]()
    print("\n".join(map(path_of, places())))
