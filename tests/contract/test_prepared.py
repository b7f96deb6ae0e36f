"""What a PostgreSQL connection keeps prepared: bounded, and made again when the server has forgotten it."""

import gc
import threading
import weakref

import psycopg
import pytest
from django.db import OperationalError, ProgrammingError, connection

from populace.infra.db.compiled import Prepared, execute

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.only_on("postgresql", "others prepare nothing")]


def number(text: str, *args: object) -> int:
    return int(execute(connection, text, args).get_value(0, 0) or 0)


def names() -> list[str]:
    """What the server itself says is prepared."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_prepared_statements WHERE name LIKE 'populace_%%'")
        return [name for (name,) in cursor.fetchall()]


def test_a_statement_is_prepared_once_and_used_again():
    before = len(names())
    assert [number("SELECT $1::int + 40", n) for n in (1, 2, 3)] == [41, 42, 43]
    assert len(names()) == before + 1


def test_a_connection_that_forgot_its_statements_prepares_them_again():
    """populace/infra/db/compiled.py:Prepared.execute"""
    assert number("SELECT $1::int + 50", 1) == 51
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    assert number("SELECT $1::int + 50", 2) == 52


def test_no_more_than_the_bound_are_kept():
    """populace/infra/db/compiled.py:Prepared.prepare"""
    for n in range(Prepared.MOST + 20):
        assert number(f"SELECT $1::int + {n}", 1) == n + 1
    assert len(names()) <= Prepared.MOST


def test_errors_of_the_server_are_django_s():
    with pytest.raises(ProgrammingError):
        execute(connection, "SELECT nothing_of_that_name", ())
    assert number("SELECT 1") == 1


def test_a_connection_that_the_server_ended_is_an_operational_error():
    connection.ensure_connection()
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
    with pytest.raises(OperationalError):
        execute(connection, "SELECT 1", ())
    assert connection.connection.closed
    connection.close()


def kept_by_nobody(driver: weakref.ref) -> bool:
    gc.collect()
    return driver() is None


def test_a_closed_connection_is_freed():
    """populace/infra/db/compiled.py:Prepared.__init__: what hangs on a connection must not keep it."""
    number("SELECT 1")
    driver = weakref.ref(connection.connection)
    connection.close()
    assert kept_by_nobody(driver)


def test_a_thread_that_ends_leaves_no_connection():
    """populace/infra/db/compiled.py:Prepared.__init__: granian ends idle threads, and their connections with them."""
    drivers = []

    def once():
        number("SELECT 1")
        drivers.append(weakref.ref(connection.connection))

    thread = threading.Thread(target=once)
    thread.start()
    thread.join()
    assert kept_by_nobody(drivers[0])


def test_a_plan_that_a_schema_change_spoilt_is_freed_on_the_server():
    """populace/infra/db/compiled.py:Prepared.forgets"""
    execute(connection, "SELECT * FROM audit_counter", ())
    for kind in ("text", "varchar(40)", "varchar(32)"):
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE audit_counter ALTER COLUMN name TYPE {kind}")
        execute(connection, "SELECT * FROM audit_counter", ())
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT * FROM audit_counter'")
        assert cursor.fetchone() == (1,)
