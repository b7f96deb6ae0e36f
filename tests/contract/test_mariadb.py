"""What only MariaDB does otherwise, and what holds all the same."""

import threading
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, IntegrityError, OperationalError, connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils.timezone import now

from populace.api.problems import problem_of
from populace.audit.models import Outbox
from populace.credentials.tasks import digests
from populace.infra.db.patience import patient
from populace.infra.db.retry import retried
from populace.infra.db.snapshots import filling
from populace.infra.db.write import write
from populace.users.models import BARE, AttributeValue, Identifier, User
from tests.support.mariadb import connected
from tests.support.processes import wait_until
from tests.support.roles import SHIPPED

pytestmark = [pytest.mark.only_on("mariadb", "each says why"), pytest.mark.django_db(transaction=True)]


def asked(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def claim(key):
    return Identifier(key=key, user_id=uuid4(), unicode_version="15.1.0")


def url():
    return "mysql://{USER}@{HOST}:{PORT}/{NAME}".format(**connection.settings_dict)


def test_keys_differ_by_case_accents_and_blanks_at_the_end(db):
    """Guards: populace/infra/db/fields.py:BINARY, populace/infra/db/mariadb/schema.py (the table's collation)."""
    write([claim(f"username:{name}") for name in ("a", "A", "á", "a ", "a  ")])
    assert Identifier.objects.filter(key="username:a ").count() == 1
    assert User.objects.filter(username="nobody").count() == 0
    user = User(username="Ann ")
    write([user])
    assert not User.objects.filter(username__in=["ann ", "Ann", "Ann  "]).exists()


def test_a_row_that_is_there_may_be_passed_over_but_not_one_without_its_parent(db):
    """Guard: populace/infra/db/mariadb/operations.py:insert_statement. INSERT IGNORE passes both over."""
    user = User(username="a")
    write([user])
    rows = [AttributeValue(user_id=user.id, name="a", value="sb")]
    for _ in range(2):
        AttributeValue._base_manager.bulk_create(rows, ignore_conflicts=True)
    with pytest.raises(IntegrityError):
        AttributeValue._base_manager.bulk_create(
            [AttributeValue(user_id=uuid4(), name="a", value="sb")], ignore_conflicts=True
        )


def test_a_deadlock_is_sent_again(db):
    """Guard: populace/infra/db/retry.py:retried. Who has written more goes on, so ours is the one to end."""
    other = connected(url())
    insert = "INSERT INTO users_identifier (`key`, user_id, unicode_version) VALUES ('{}', uuid(), '15.1.0')"
    for number in range(50):
        other.execute(insert.format(f"z{number}"))
    other.execute(insert.format("b"))
    ended = []

    def ours():
        try:
            retried(lambda: write([claim("a"), claim("b")]))()
            ended.append(None)
        except DatabaseError as error:
            ended.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=ours)
    thread.start()
    waiting = "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'"
    wait_until(lambda: asked(waiting)[0][1] != "0", "ours waits for b")
    other.execute(insert.format("a"))  # and this for ours: a deadlock
    other.rollback()
    other.close()
    thread.join()
    assert ended == [None]
    assert Identifier.objects.count() == 2


@pytest.mark.parametrize(
    ("limit", "statement", "code"),
    [
        (
            "max_statement_time = 0.05",
            "SELECT COUNT(*) FROM seq_1_to_100000 a, seq_1_to_100000 b WHERE a.seq * b.seq % 7 = 3",
            "query_timeout",
        ),
        ("innodb_lock_wait_timeout = 1", "SELECT * FROM groups_rightsversion FOR UPDATE", "db_lock_timeout"),
    ],
)
def test_a_statement_or_a_lock_that_takes_too_long_is_told_to_come_back(db, limit, statement, code):
    """Guard: populace/infra/db/causes.py:CAUSES."""
    other = connected(url())
    other.execute("INSERT IGNORE INTO groups_rightsversion (id, value) VALUES (1, 0)")
    other.commit()
    other.execute("SELECT * FROM groups_rightsversion FOR UPDATE")
    try:
        asked(f"SET SESSION {limit}")
        with pytest.raises(OperationalError) as raised:
            asked(statement)
    finally:
        other.close()
        connection.close()
    told = problem_of(raised.value)
    assert (told.code, told.headers) == (code, {"Retry-After": "1"})


def test_an_error_that_nobody_foresaw_is_not_called_a_server_that_is_gone(db):
    """Guard: populace/infra/db/mariadb/errors.py:AWAY. The driver calls them all operational."""
    with pytest.raises(OperationalError) as raised:
        asked("SIGNAL SQLSTATE '45000'")
    assert problem_of(raised.value).code == "internal"
    gone = OperationalError(2013, "Lost connection to server during query")
    assert problem_of(gone).code == "unavailable"


def test_nobody_writes_beside_who_fills_the_tables(db):
    """Guard: populace/infra/db/snapshots.py:filling. Also where the table is empty: the gap is locked."""
    ended = []

    def theirs():
        try:
            Outbox._base_manager.bulk_create(
                [Outbox(event_id=uuid4(), subject_id=uuid4(), action="a.b", at=now(), quiet=True)]
            )
            ended.append(None)
        except OperationalError as error:
            ended.append(error.args[0])
        finally:
            connections.close_all()

    with filling(Outbox):
        thread = threading.Thread(target=theirs)
        thread.start()
        thread.join()
    assert ended == [1205]


LIMITS = "SELECT @@max_statement_time, @@innodb_lock_wait_timeout, @@lock_wait_timeout, @@idle_transaction_timeout"


def test_every_session_is_bounded_and_reads_what_is_committed(db):
    """Guards: config/engines.py:MARIADB_S, MARIADB_SESSION."""
    assert asked(LIMITS) == ((5.0, 2, 2, 10),)
    assert asked("SELECT @@tx_isolation, @@time_zone") == (("READ-COMMITTED", "+00:00"),)
    [[mode]] = asked("SELECT @@sql_mode")
    assert "STRICT_ALL_TABLES" in mode
    assert connection.connection._read_timeout == 10


def test_a_command_has_other_limits_for_a_while(db):
    """Guard: populace/infra/db/mariadb/limits.py:limits. Also where the block fails."""
    with patient():
        assert asked(LIMITS) == ((60.0, 2, 2, 120),)
        assert connection.connection._read_timeout > 60
    with pytest.raises(ZeroDivisionError), patient():
        raise ZeroDivisionError
    assert asked(LIMITS) == ((5.0, 2, 2, 10),)
    assert connection.connection._read_timeout == 10


def test_a_check_of_health_never_connects_anew(db):
    """Guard: populace/infra/db/mariadb/base.py:is_usable. PyMySQL would, without the session's settings."""
    [[number]] = asked("SELECT connection_id()")
    other = connected(url())
    other.execute(f"KILL {number}")
    other.close()
    assert not connection.is_usable()
    connection.close()


def test_mysql_is_refused(db):
    """Guard: populace/infra/db/mariadb/base.py:init_connection_state."""
    other = connections["default"].copy()
    other.__dict__["mysql_is_mariadb"] = False
    try:
        with pytest.raises(ImproperlyConfigured, match="is for MariaDB"):
            other.connect()
    finally:
        other.close()


def test_migrations_that_were_interrupted_are_begun_anew(db):
    """Guard: populace/infra/db/mariadb/schema.py. No transaction holds DDL: everything may be there already."""
    loader = MigrationExecutor(connection).loader
    ours = [
        key for key in sorted(loader.applied_migrations) if loader.get_migration(*key).__module__.startswith("populace")
    ]
    for app, name in ours:
        before = loader.project_state((app, name), at_end=False)
        with connection.schema_editor() as editor:
            loader.get_migration(app, name).apply(before, editor)
    assert len(ours) >= 10
    assert sorted(asked("SELECT name FROM groups_role")) == sorted((name,) for name in SHIPPED)


def test_whose_digest_is_bare_is_found_by_an_index_of_those_alone(db):
    """Guards: populace/infra/db/mariadb/partial.py:add, populace/infra/db/lookups.py:OfIndex."""
    people = [User(username=f"p{n}", password=f"{BARE}x" if n % 100 == 0 else "!") for n in range(1000)]
    write(people)
    before = read_rows()
    assert [id for id, _ in digests()] == sorted(user.id for user in people[::100])
    assert read_rows() - before <= 3 * 10


def read_rows():
    return sum(int(value) for _, value in asked("SHOW SESSION STATUS LIKE 'Handler_read%'"))


def test_after_a_twin_in_a_transaction_only_a_rollback_can_follow(db):
    """Guard: populace/infra/db/write_portable.py:once."""
    from populace.infra.db.write import Duplicate

    write([claim("a")])
    with pytest.raises(Duplicate) as raised, transaction.atomic():
        write([claim("b"), claim("a")])
    assert raised.value.keys == ["a"]
    assert Identifier.objects.count() == 1
