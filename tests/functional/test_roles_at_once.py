"""Roles given, taken and people shut out at once: nobody waits for another in a circle."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from uuid import UUID

import pytest
from django.db import connection, connections

from populace.audit.actors import SYSTEM
from populace.groups import guards
from populace.groups.actions import change_roles
from populace.groups.reads import there_is_an_owner
from populace.users.actions import activate_user, deactivate_user
from populace.users.errors import LastOwner

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.only_on("postgresql", "elsewhere nobody shares a lock"),
]

THREADS, ROUNDS = 4, 25
CHANGES = [
    partial(change_roles, add=["owner"]),
    partial(change_roles, remove=["owner"]),
    partial(change_roles, add=["viewer"]),
    deactivate_user,
    activate_user,
]


def deadlocks():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return cursor.fetchone()[0]


def test_no_circle_of_locks(make_user, give_role):
    """Guard: populace/groups/guards.py:_held_alone."""
    people = [UUID(make_user()["id"]) for _ in range(4)]
    give_role(people[0], "owner")
    before = deadlocks()

    def change(seed):
        chance = random.Random(seed)
        try:
            for _ in range(ROUNDS):
                with suppress(LastOwner):
                    chance.choice(CHANGES)(chance.choice(people), by=SYSTEM)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(change, range(THREADS)))
    assert deadlocks() == before
    assert there_is_an_owner()


def test_two_who_share_the_lock_and_then_want_it_alone_get_it_in_turn(make_user, give_role, monkeypatch):
    """As if both people had become owners between the look and the lock. Guard: as above."""
    people = [UUID(make_user()["id"]) for _ in range(2)]
    give_role(UUID(make_user()["id"]), "owner")
    both, hold = threading.Barrier(2, timeout=5), guards.hold

    def meet(model, key, *, alone):
        hold(model, key, alone=alone)
        if not alone:
            both.wait()

    monkeypatch.setattr(guards, "hold", meet)

    def act(person):
        answers = iter([False, True])
        try:
            with guards.owner_stays(lambda: next(answers)):
                return person
        finally:
            connections.close_all()

    before = deadlocks()
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(act, people)) == people
    assert deadlocks() == before
