"""The tests' proxy (tests/support/proxy.py): it does what its commands say, or fault tests would prove nothing."""

import time

import psycopg
import pytest

from tests.support.plugin import Session
from tests.support.processes import wait_until

pytestmark = pytest.mark.only_on("postgresql", "it stands before PostgreSQL")


@pytest.fixture
def connect(proxy):
    assert Session.postgresql
    url = proxy.url(Session.postgresql.url("postgres"))
    return lambda **options: psycopg.connect(url, autocommit=True, **options)


def test_it_passes_on_what_both_say_and_counts_round_trips(proxy, connect):
    with connect() as connection:
        proxy.trips = 0
        assert connection.execute("SELECT 1 + %s", [1]).fetchall() == [(2,)]
        assert connection.execute("SELECT repeat('x', 1000000)").fetchall() == [("x" * 1_000_000,)]
        assert proxy.trips == 2
        assert len(proxy.lines) == 1
    wait_until(lambda: not proxy.lines, "the line's end")


def test_a_delay_is_each_way_and_a_rate_is_kept(proxy, connect):
    with connect() as connection:
        proxy.delay(50)
        started = time.monotonic()
        connection.execute("SELECT 1")
        assert time.monotonic() - started >= 0.1
        proxy.heal()
        proxy.rate(100_000)
        started = time.monotonic()
        connection.execute("SELECT repeat('x', 20000)")
        assert time.monotonic() - started >= 0.05


def test_a_reset_ends_every_line_and_new_ones_stand(proxy, connect):
    with connect() as connection:
        proxy.reset()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with connect() as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]


def test_dropped_bytes_are_not_answered_and_the_line_stays_mute(proxy, connect):
    pgconn = connect().pgconn
    proxy.drop()
    pgconn.send_query(b"SELECT 1")
    wait_until(lambda: all(line.mute for line in proxy.lines), "the bytes are swallowed")
    proxy.heal()
    with connect() as other:
        assert other.execute("SELECT 1").fetchall() == [(1,)]
    pgconn.consume_input()
    assert pgconn.is_busy()
    pgconn.finish()


def test_half_open_accepts_and_never_answers(proxy, connect):
    with connect() as standing:
        proxy.half_open()
        with pytest.raises(psycopg.errors.ConnectionTimeout):
            connect(connect_timeout=2)
        assert standing.execute("SELECT 1").fetchall() == [(1,)]


def test_an_answer_is_cut_after_so_many_bytes(proxy, connect):
    with connect() as connection:
        proxy.cut(1000)
        connection.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT repeat('x', 2000)")


@pytest.mark.parametrize("prepare", [False, True])
def test_an_answer_is_lost_after_the_statement_is_done(proxy, connect, prepare):
    with connect() as direct, connect() as connection:
        direct.execute("DROP TABLE IF EXISTS proxied; CREATE TABLE proxied (n int)")
        connection.execute("INSERT INTO proxied VALUES (%s)", [1], prepare=prepare)
        proxy.lose_answer(lambda sql: "INSERT" in sql, nth=2)
        connection.execute("INSERT INTO proxied VALUES (%s)", [2], prepare=prepare)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("INSERT INTO proxied VALUES (%s)", [3], prepare=prepare)
        assert proxy.lost == 1
        assert direct.execute("SELECT n FROM proxied ORDER BY n").fetchall() == [(1,), (2,), (3,)]
        direct.execute("DROP TABLE proxied")
