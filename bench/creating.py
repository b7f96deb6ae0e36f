"""Creates people as the verb does, in this process, and reads what that costs the one backend that serves it.

Runs with Populace's settings. The rows are made before the clock starts; what is measured is `write()` alone, and in
the database only its backend: neither the WAL writer nor the checkpointer.
"""

import os
import random
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from django.db import connection
from django.db.models import Model

from bench import people
from bench.cpu import pin, thread_us
from bench.stage import OTHER_CORE, SERVER_CORE
from populace.audit.actors import SYSTEM
from populace.infra.db.write import write
from populace.users.actions import created
from populace.users.attributes_index import values_of
from populace.users.identifiers import claims
from populace.users.reads import USER
from populace.users.rows import new_user

WARM_UP = 50
"""Writes before each sample: a changed table is planned anew, its pages are read."""

type Rows = list[Model]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one write costs: CPU of the backend, bytes of the write-ahead log, and how many a second there were."""

    cpu_us: float
    wal: float
    per_second: float


def middle(costs: Sequence[Cost]) -> Cost:
    """Return the medians."""
    return Cost(*(median(getattr(cost, name) for cost in costs) for name in Cost.__slots__))


def own_cores() -> None:
    """Bind this process to one core and its backend to the other."""
    os.sched_setaffinity(0, {SERVER_CORE})
    pin(backend(), OTHER_CORE)


def backend() -> int:
    """Return the pid of the backend of our connection."""
    connection.ensure_connection()
    return int(connection.connection.info.backend_pid)


def person(*, events: int = 2) -> Rows:
    """Return the rows of somebody new, whose places in the indexes are anywhere; of event and outbox row so many."""
    first, last = random.choice(list(people.FIRST)), random.choice(list(people.LAST))
    name = f"{people.FIRST[first]}.{people.LAST[last]}{secrets.token_hex(5)}"
    email = f"{name}@{random.choice(people.DOMAINS)}"
    user = new_user({"username": name, "email": email, "first_name": first, "last_name": last})
    return [user, *claims(user), *values_of(user), *created(user, by=SYSTEM, quiet=False)[:events]]


def wal_place() -> int:
    """Return how many bytes of write-ahead log there have been."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
        return int(cursor.fetchone()[0])


def cost_of(batch: Sequence[Rows], settle: Callable[[], None] = lambda: None) -> Cost:
    """Write each person of the batch and return what one costs; `settle` belongs to it: work that was put off."""
    for rows in batch[:WARM_UP]:
        write(rows, returning=USER)
    measured = batch[WARM_UP:]
    pid, wal, began = backend(), wal_place(), time.monotonic()
    before = thread_us(pid)
    for rows in measured:
        write(rows, returning=USER)
    seconds = time.monotonic() - began
    settle()
    number = len(measured)
    return Cost((thread_us(pid) - before) / number, (wal_place() - wal) / number, number / seconds)
