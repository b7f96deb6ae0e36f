"""The pool of connections and the thread that watches it, on a real PostgreSQL."""

import gc
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection, transaction

from populace.audit.models import Counter
from populace.infra.db.compiled import execute, read
from populace.infra.db.operations import _unlimited
from populace.infra.db.patience import patient
from populace.infra.db.pool import Bounds, Pool, PoolExhausted, Silent, give_back
from populace.infra.db.snapshots import filling, snapshot
from populace.infra.db.wire import Connection, answering
from tests.support.processes import ROOT, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.only_on("postgresql", "others keep no pool")]


def number(text: str) -> int:
    return int(execute(connection, text, ()).get_value(0, 0) or 0)


def backend() -> int:
    return number("SELECT pg_backend_pid()")


@pytest.fixture
def pool():
    """Return `pool(most=1, …) -> (pool, take)`; `take()` takes a connection, a new one where there is a place."""
    made: list[Pool] = []

    def make(*, least: int = 0, most: int = 1, wait_s: float = 5):
        params = connection.get_connection_params() | {"autocommit": True}
        made.append(Pool(Bounds(least, most, wait_s), params))
        return made[-1], lambda: made[-1].take(lambda: Connection.connect(**params))

    yield make
    for one in made:
        one.drop_idle(before=float("inf"))


def test_what_was_prepared_stays_when_a_connection_is_given_back():
    """Guards: populace/infra/db/postgresql/base.py:DatabaseWrapper.close_if_unusable_or_obsolete (gives back)."""
    first = backend()
    number("SELECT 4711")
    give_back()
    assert connection.connection is None
    count = "SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT 4711'"
    assert (number(count), backend()) == (1, first)


@pytest.mark.parametrize("state", ["in a transaction", "broken"])
def test_a_connection_in_doubt_is_closed_instead(state):
    """Guards: populace/infra/db/postgresql/base.py:DatabaseWrapper.close_if_unusable_or_obsolete."""
    held, first = connection.connection or connection.ensure_connection() or connection.connection, backend()
    if state == "broken":
        with pytest.raises(OperationalError):
            number("SELECT pg_terminate_backend(pg_backend_pid())::int")
    else:
        held.pgconn.exec_(b"BEGIN")
    connection.close_if_unusable_or_obsolete()
    assert held.closed
    assert backend() != first


def test_giving_back_leaves_a_transaction_alone():
    """Guards: populace/infra/db/pool.py:give_back."""
    with transaction.atomic():
        first = backend()
        give_back()
        assert backend() == first


def test_a_connection_that_the_server_closed_is_not_given_out(pool):
    """Guards: populace/infra/db/pool.py:Pool._kept."""
    kept, take = pool()
    first = take()
    ended = first.info.backend_pid
    kept.give(first)
    number(f"SELECT pg_terminate_backend({ended})::int")
    wait_until(lambda: number(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {ended}") == 0, "it has ended")
    second = take()
    assert second.execute("SELECT 1").fetchone() == (1,)
    kept.give(second)


def test_there_are_never_more_than_the_bound_and_waiting_has_an_end(pool):
    """Guards: populace/infra/db/pool.py:Pool._claim, :Pool._check."""
    kept, take = pool(most=2, wait_s=0.3)
    held = [take(), take()]
    with pytest.raises(PoolExhausted):
        take()
    kept.give(held.pop())
    held.append(take())
    for one in held:
        kept.give(one)


def test_who_waits_longest_is_served_first(pool):
    """Guards: populace/infra/db/pool.py:Pool._call (else whoever gives one back would have it again)."""
    kept, take = pool()
    held, served = take(), []

    def wait(name: int) -> None:
        mine = take()
        served.append(name)
        kept.give(mine)

    threads = [threading.Thread(target=wait, args=(name,)) for name in range(5)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    kept.give(held)
    kept.give(take())  # comes last, though it is faster
    served.append("who gave it back")
    for thread in threads:
        thread.join()
    assert served == [0, 1, 2, 3, 4, "who gave it back"]


def test_a_thread_that_ends_without_giving_back_leaves_its_place(pool):
    """Guards: populace/infra/db/pool.py:Pool (counts its connections by weak references)."""
    kept, take = pool(wait_s=10)
    with ThreadPoolExecutor(1) as other:
        other.submit(lambda: take() and None).result()
    gc.collect()
    kept.give(take())


def test_nobody_waits_for_those_who_all_wait_themselves(pool):
    """Guards: populace/infra/db/pool.py:Pool._check (a thread must be left for /livez)."""
    kept, take = pool(wait_s=60)
    held = take()
    kept.stuck, began = 1, time.monotonic()
    with pytest.raises(PoolExhausted):
        take()
    assert time.monotonic() - began < 30  # a ceiling: it is told at once
    kept.give(held)


def test_a_silent_server_is_not_asked(pool):
    """Guards: populace/infra/db/pool.py:Pool._kept."""
    kept, take = pool()
    kept.give(take())
    kept.silent = True
    with pytest.raises(Silent):
        take()


def test_idle_connections_are_closed_down_to_the_least_number(pool):
    """Guards: populace/infra/db/pool.py:Pool.drop_idle."""
    kept, take = pool(least=1, most=3)
    held = [take(), take(), take()]
    for one in held:
        kept.give(one)
    kept.drop_idle(before=0, least=1)
    assert len(kept.idle) == 3
    kept.drop_idle(before=float("inf"), least=1)
    assert [one.closed for one in held] == [True, True, False]


SLEEPS = {
    "a prepared statement": lambda: [read(connection, "SELECT pg_sleep($1)", (s,)) for s in (0.0, 20.0)],
    "a cursor": lambda: connection.cursor().execute("SELECT pg_sleep(20)"),
}


@pytest.mark.parametrize("sleep", SLEEPS)
def test_what_is_not_answered_in_time_is_cut_and_not_asked_again(sleep):
    """Guards: populace/infra/db/watch.py:Watch.cut, populace/infra/db/compiled.py:Prepared.execute and :read,
    populace/infra/db/wire.py:Connection.wait.
    """
    with pytest.raises(OperationalError), answering(connection, 0.3):
        SLEEPS[sleep]()
    assert connection.connection.wire.cut
    connection.close()
    assert number("SELECT 1") == 1


LONGER = {
    "an operator's statement": patient,
    "a snapshot": snapshot,
    "a load": lambda: filling(Counter),
    "an index that is built": lambda: _unlimited(connection.schema_editor(atomic=False)),
}


@pytest.mark.parametrize("block", LONGER)
def test_statements_that_may_take_longer_are_not_cut(block, monkeypatch):
    """Guards: populace/infra/db/wire.py:answering, as patience.py, snapshots.py and operations.py use it."""
    connection.ensure_connection()
    with monkeypatch.context() as patched:
        patched.setattr(connection.connection.wire, "answer_s", 0.3)
        sleep_in(LONGER[block]())


def sleep_in(block) -> None:
    with block, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_sleep(1)")
        assert cursor.fetchone() == (1,)


FORKING = """
import os, django
django.setup()
from django.db import connection
from populace.infra.db.compiled import execute
from populace.infra.db.pool import give_back
def backend(): return execute(connection, "SELECT pg_backend_pid()", ()).get_value(0, 0)
before = backend()
if os.environ["HELD"] == "no": give_back()
if child := os.fork():
    assert os.waitpid(child, 0)[1] == 0
    assert backend() == before
else:
    assert backend() != before
    os._exit(0)
"""


@pytest.mark.parametrize("held", ["yes", "no"])
def test_a_forked_process_has_connections_of_its_own(installation, held):
    """Guards: populace/infra/db/pool.py:_begin_anew."""
    env = installation.env | {"DJANGO_SETTINGS_MODULE": "config.settings", "HELD": held}
    subprocess.run([sys.executable, "-c", FORKING], cwd=ROOT, env=env, check=True, timeout=60)
