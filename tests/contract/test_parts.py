"""An index of parts, as every engine keeps it: made, healed, removed, and never believed to be there when it is not."""

import json
import threading

import pytest
from django.db import DatabaseError, connection, connections

from populace.infra.db import parts
from populace.infra.db.parts import ENGINES, Holds
from populace.infra.db.parts_terms import Unavailable, has_letters, is_ascii_letter
from populace.infra.db.wire import wire_of
from populace.users.models import User
from populace.users.parts import PARTS, after_migrations
from tests.support.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
only_postgresql = pytest.mark.only_on("postgresql", "builds beside writes")
only_sqlite = pytest.mark.only_on("sqlite", "triggers keep a table of FTS5")
only_mariadb = pytest.mark.only_on("mariadb", "triggers keep a table of words")
with_triggers = pytest.mark.only_on("mariadb", "sqlite", "triggers keep a table")


def run(statement, params=None):
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall() if cursor.description else []


def look():
    """Forget what this process has seen of the index."""
    parts._seen.clear()
    return PARTS.available(connection)


@pytest.fixture(autouse=True)
def _as_it_was(transactional_db):
    yield
    PARTS.ensure()


@pytest.fixture
def found(make_user):
    """Return `found(part) -> user names` in which the index has it."""
    for name in ("jo.anna", "ros.alind", "annabel"):
        make_user(username=name, email="")

    def find(*part):
        values = PARTS.terms(connection, part)
        names = User.objects.filter(Holds(PARTS.texts, values)).order_by("username").values_list("username", flat=True)
        return list(names)

    return find


def test_every_engine_is_of_the_interface():
    assert connection.vendor in ENGINES
    for engine in ENGINES.values():
        assert set(engine.terms(["anna"], str.isalpha)) == set(engine.PARAMS)
        assert set(engine.terms(["a.b"], str.isalpha).values()) == {None}
        assert engine.condition(PARTS.texts, "id", ["a", "b"], 5).count("%s") == len(engine.PARAMS)


def test_it_finds_any_of_the_spellings_and_nobody_by_nothing(found):
    assert found("anna") == ["annabel", "jo.anna"]
    assert found("xxanna", "alin") == ["ros.alind"]
    assert found("xxx", "xxx", "xxx") == []
    assert found("...") == found() == []


def test_made_again_it_is_the_same(found):
    before = found("anna")
    PARTS.ensure()
    assert look()
    assert found("anna") == before


def test_removed_it_is_gone_and_made_again_it_is_full(found):
    PARTS.drop()
    assert not PARTS.available(connection)
    assert set(PARTS.terms(connection, ["anna"]).values()) == {None}
    PARTS.drop()
    PARTS.ensure()
    assert PARTS.available(connection)
    assert found("anna") == ["annabel", "jo.anna"]


def test_the_setting_decides_after_migrations(settings):
    settings.SEARCH_PARTS = False
    after_migrations("default")
    assert not look()
    settings.SEARCH_PARTS = True
    after_migrations("default")
    assert look()


def test_without_the_index_no_part_is_asked_for(client, make_user, django_assert_num_queries):
    """Guard: populace/users/search_parts.py:read."""
    make_user(username="jo.anna")
    PARTS.drop()
    assert client.get("/api/v1/users?q=.anna").json()["results"] == []
    PARTS.ensure()
    assert len(client.get("/api/v1/users?q=.anna").json()["results"]) == 1


def test_on_another_engine_there_is_none(monkeypatch):
    monkeypatch.setattr(parts, "ENGINES", {})
    assert not look()
    PARTS.ensure()
    PARTS.drop()
    assert not PARTS.tidy(connection)
    parts._seen.clear()


@only_postgresql
def test_what_a_killed_build_left_is_made_anew(found):
    """Guard: populace/infra/db/parts_postgresql.py:ensure (drops what is not valid) and known (believes it not)."""
    run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'user_parts'::regclass")
    assert not look()
    PARTS.ensure()
    assert look()
    assert found("anna") == ["annabel", "jo.anna"]


@only_postgresql
def test_an_index_that_another_process_builds_is_left_to_it(found):
    """Two would wait for each other. Guard: populace/infra/db/parts_postgresql.py:ensure (`building`)."""
    PARTS.drop()
    writer = connection.copy()
    writer.ensure_connection()
    writer.set_autocommit(False)
    writer.cursor().execute("LOCK TABLE users_user IN ROW EXCLUSIVE MODE")  # the build waits for who writes
    builder = threading.Thread(target=lambda: (PARTS.ensure(), connections.close_all()))
    builder.start()
    try:
        wait_until(lambda: run("SELECT 1 FROM pg_stat_progress_create_index WHERE index_relid <> 0"), "it builds")
        with pytest.raises(Unavailable, match="another process"):
            PARTS.ensure()
        assert not look()
    finally:
        writer.rollback()
        writer.close()
        builder.join()
    assert look()
    assert found("anna") == ["annabel", "jo.anna"]


@only_postgresql
def test_where_the_extension_may_not_be_made_migrate_says_so_and_goes_on(capfd):
    """Guard: populace/infra/db/parts_postgresql.py:_extend."""
    run("DROP EXTENSION pg_trgm CASCADE")
    run("CREATE ROLE mere")
    run("SET ROLE mere")
    try:
        with pytest.raises(Unavailable, match="permission denied"):
            PARTS.ensure()
        after_migrations("default")
    finally:
        run("RESET ROLE")
        run("DROP ROLE mere")
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if "search_finds_no_parts" in line]
    assert ["pg_trgm" in line["reason"] and line["level"] for line in lines] == ["warning"]
    assert not look()


@only_postgresql
def test_no_time_limit_ends_the_build_and_later_statements_have_theirs():
    """Guard: populace/infra/db/parts_postgresql.py:_unlimited."""
    limits = run("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
    assert limits == [("5s", "2s")]
    PARTS.drop()
    run("SET statement_timeout = 1")
    PARTS.ensure()
    assert run("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')") == limits
    assert look()


@only_postgresql
@pytest.mark.parametrize("valid", [True, False], ids=["new", "healed"])
def test_the_build_waits_for_others_for_longer_than_a_request_would(found, valid):
    """Guards: populace/infra/db/parts_postgresql.py:_unlimited (not cut by watch.py), ensure (one set of limits)."""
    if valid:
        PARTS.drop()
    else:
        run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'user_parts'::regclass")
    wire_of(connection).answer_s = 0.2
    writer = connection.copy()
    writer.ensure_connection()
    writer.set_autocommit(False)
    writer.cursor().execute("LOCK TABLE users_user IN ROW EXCLUSIVE MODE")
    ended = threading.Timer(2.5, writer.rollback)  # longer than lock_timeout, too
    ended.start()
    try:
        PARTS.ensure()
    finally:
        ended.join()
        writer.close()
        connection.close()
    assert look()
    assert found("anna") == ["annabel", "jo.anna"]


@only_postgresql
def test_letters_that_the_database_does_not_know_are_not_looked_up():
    """pg_trgm would read its whole index. The tests' databases are of LC_CTYPE C.

    Guard: populace/infra/db/parts_postgresql.py:known.
    """
    assert run("SELECT datctype FROM pg_database WHERE datname = current_database()") == [("C",)]
    assert set(PARTS.terms(connection, ["ärö"]).values()) == {None}
    assert PARTS.terms(connection, ["ärger"])["part"] == "%ärger%"
    assert not has_letters("äbäb", is_ascii_letter)


@with_triggers
@pytest.mark.parametrize("name", ["user_parts_insert", "user_parts_delete", "user_parts_update"])
def test_a_trigger_that_is_missing_is_noticed_and_all_made_anew(found, make_user, name):
    """Django takes SQLite's away where it changes the table. Guards: parts_sqlite.py:ensure, parts_mariadb.py:known."""
    run(f"DROP TRIGGER {name}")
    assert not look()
    make_user(username="sus.anna", email="")
    PARTS.ensure()
    assert look()
    assert found("anna") == ["annabel", "jo.anna", "sus.anna"]


@only_sqlite
def test_vacuum_changes_nothing(found, make_user):
    """It numbers the rows of a table like that of people anew. Guard: the table of numbers."""
    User._base_manager.filter(username="annabel").delete()
    run("VACUUM")
    make_user(username="sus.anna", email="")
    assert found("anna") == ["jo.anna", "sus.anna"]
    assert found("alin") == ["ros.alind"]


def entries():
    """Return all that FTS5 has on the disk."""
    return b"".join(block for (block,) in run("SELECT block FROM user_parts_data"))


@only_sqlite
def test_nothing_of_who_was_erased_is_left_once_it_is_tidy(make_user, actor):
    """A07. Guards: populace/infra/db/parts_sqlite.py:tidy, its trigger that counts who is gone; users/apps.py."""
    from populace.infra.tasks.chores import CHORES
    from populace.users.actions import erase_user, update_user
    from populace.users.parts import forget_parts

    stays = [make_user(first_name=f"Person {n}") for n in range(300)]
    gone = make_user(first_name="Qzxqzx")
    update_user(gone["id"], by=actor, values={"first_name": "Wvkwvk"})
    assert b"qzx" in entries()
    assert b"wvk" in entries()
    erase_user(gone["id"], by=actor)
    assert forget_parts in CHORES
    rounds = 0
    while forget_parts():
        rounds += 1
    assert rounds < 100
    assert b"qzx" not in entries()
    assert b"wvk" not in entries()
    assert run("SELECT count(*) FROM user_parts_gone") == [(0,)]
    assert run("SELECT count(*) FROM user_parts_number WHERE id = %s", [gone["id"].replace("-", "")]) == [(0,)]
    values = PARTS.terms(connection, ["erson"])
    assert User.objects.filter(Holds(PARTS.texts, values)).count() >= len(stays)
    assert not forget_parts()


def words(of):
    """Return all entries of a person, in order."""
    return [word for (word,) in run("SELECT word FROM user_parts WHERE id = %s ORDER BY word", [of])]


@only_mariadb
def test_a_person_has_an_entry_for_each_word_and_none_once_erased(make_user, actor):
    """A07. Guards: populace/infra/db/parts_mariadb.py:TRIGGERS."""
    from populace.users.actions import erase_user, update_user

    values = {"username": "jo.lee", "email": "jo@exämple.com", "last_name": "van der Meer-李", "first_name": "?!"}
    gone = make_user(**values)["id"]
    name = ["der meer-李", "meer-李", "van der meer-李", "李"]
    address = ["com", "jo@xn--exmple-cua.com", "xn--exmple-cua.com", "exmple-cua.com", "cua.com"]
    assert words(gone) == sorted(["jo.lee", "lee", *name, *address])
    update_user(gone, by=actor, values={"last_name": "\\n Straße", "first_name": "x" * 40 + " Ann"})
    assert words(gone) == sorted(["jo.lee", "lee", "n strasse", "strasse", "x" * 32, "ann", *address])
    erase_user(gone, by=actor)
    assert words(gone) == []


@only_mariadb
def test_what_was_not_filled_to_its_end_is_made_anew(found, monkeypatch):
    """Guards: populace/infra/db/parts_mariadb.py:ensure (says at last that it is filled) and known."""
    from populace.infra.db import parts_mariadb

    PARTS.drop()
    with monkeypatch.context() as patch:
        patch.setattr(parts_mariadb, "FILL", "SELECT nothing")
        with pytest.raises(DatabaseError):
            PARTS.ensure()
    assert not look()
    PARTS.ensure()
    assert look()
    assert found("anna") == ["annabel", "jo.anna"]


@only_mariadb
def test_more_people_than_one_step_takes_are_all_filled_in(make_user, monkeypatch):
    """Guard: populace/infra/db/parts_mariadb.py:_fill (goes on behind the last)."""
    from populace.infra.db import parts_mariadb

    made = [make_user()["id"] for _ in range(5)]
    entries = [words(of) for of in made]
    PARTS.drop()
    monkeypatch.setattr(parts_mariadb, "FILLED", 2)
    PARTS.ensure()
    assert [words(of) for of in made] == entries
    assert all(entries)


@only_mariadb
def test_an_index_that_another_process_fills_is_left_to_it():
    """Guard: populace/infra/db/parts_mariadb.py:_alone."""
    other = connection.copy()
    other.cursor().execute("SELECT GET_LOCK(CONCAT(DATABASE(), '.user_parts'), 0)")
    try:
        with pytest.raises(Unavailable, match="another process"):
            PARTS.ensure()
    finally:
        other.close()


@only_mariadb
def test_where_no_trigger_may_be_made_that_is_said_and_nothing_left():
    """Guard: populace/infra/db/parts_mariadb.py:ensure (FORBIDDEN)."""
    PARTS.drop()
    mere = connection.copy()
    run("CREATE USER mere@127.0.0.1")
    run("GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER ON *.* TO mere@127.0.0.1")
    mere.settings_dict = connection.settings_dict | {"USER": "mere"}
    try:
        with pytest.raises(Unavailable, match="TRIGGER command denied"):
            ENGINES["mysql"].ensure(PARTS.texts, mere)
    finally:
        mere.close()
        run("DROP USER mere@127.0.0.1")
    assert run("SHOW TABLES LIKE 'user_parts'") == ()


@only_mariadb
def test_a_look_up_reads_a_range_of_the_table_of_words_up_to_its_bound(make_user):
    """Guard: populace/infra/db/parts_mariadb.py:condition (a range, LIMIT)."""
    for number in range(5):
        make_user(username=f"jo.anna{number}")
    values = PARTS.terms(connection, [".anna"])
    assert (values["part_low"], values["part_low1"]) == ("anna", None)
    assert User.objects.filter(Holds(PARTS.texts, values, 3)).count() == 3
    plan = User.objects.filter(Holds(PARTS.texts, values, 3)).explain()
    assert "range" in next(line for line in plan.splitlines() if "user_parts" in line)


@only_mariadb
def test_names_of_all_scripts_are_kept_whatever_the_database_s_own_charset_is(found, make_user):
    """Guard: populace/infra/db/parts_mariadb.py:TEXT. latin1 is the default of many servers."""
    [[name]] = run("SELECT DATABASE()")
    run(f"ALTER DATABASE `{name}` CHARACTER SET latin1")
    try:
        PARTS.drop()
        PARTS.ensure()
        make_user(username="in.latin", email="", first_name="Łukasz Żółty", last_name="小明 李四光")
        assert found("żół") == ["in.latin"]
        PARTS.drop()
        PARTS.ensure()  # now filled with who is there
        assert found("李四光") == ["in.latin"]
    finally:
        run(f"ALTER DATABASE `{name}` CHARACTER SET utf8mb4")
        PARTS.drop()
        PARTS.ensure()
