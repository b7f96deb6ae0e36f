"""An import works in batches: the same few statements for any number of rows, and others may be faster than it."""

import itertools
import threading
from contextlib import contextmanager

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from populace.audit.actors import SYSTEM
from populace.bulk import import_job, reading
from populace.groups.actions import create_group, delete_group
from populace.groups.models import Group
from populace.users.actions import create_user, erase_user
from populace.users.models import Identifier, User


def person(number: int, **more) -> dict:
    return {
        "external_id": str(number),
        "username": f"user{number}",
        "email": f"user{number}@example.org",
        "groups": ["one", f"role{number % 3}"],
    } | more


def elsewhere(work) -> None:
    """Do something on another connection, to its end."""

    def run():
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


@contextmanager
def once_behind(text: str | tuple[str, ...], work):
    """Do `work` elsewhere as soon as the import has sent the first statement that begins like this."""
    done = []

    def wrapper(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if sql.replace("`", '"').startswith(text) and not done:
            done.append(True)
            elsewhere(work)
        return result

    with connection.execute_wrapper(wrapper):
        yield
    assert done


LOOK = ('SELECT "users_identifier"."key"', 'SELECT held."key"')


@pytest.mark.django_db
@pytest.mark.parametrize("what", ["new", "changed", "unchanged"])
def test_a_batch_takes_the_same_number_of_statements_whatever_its_size(import_people, what):
    """populace/users/batches.py, populace/groups/batches.py"""
    import_people(*(person(number) for number in range(200)), {"username": "first", "groups": ["role0"]})

    def statements(numbers):
        if what == "new":
            people = [person(number + 1000) for number in numbers]
        else:
            people = [person(number, first_name=what if what == "changed" else "") for number in numbers]
        with CaptureQueriesContext(connection) as asked:
            result = import_people(*people)
        assert result.failed == 0
        assert (result.done, result.skipped) == ((0, len(people)) if what == "unchanged" else (len(people), 0))
        return len(asked)

    few, many = statements(range(3)), statements(range(3, 103))
    assert many == few
    assert few <= 70  # a job's own are more than half of them


@pytest.fixture
def chunks():
    """Return `chunks(seen) -> how many rows went in with each chunk`, of the jobs that a report was given."""

    def sizes(seen) -> list[int]:
        done = [0, *(rows for rows in seen if rows)]
        return [after - before for before, after in itertools.pairwise(done) if after > before]

    return sizes


@pytest.mark.django_db
def test_rows_are_committed_in_chunks_that_grow_and_shrink_with_their_time(import_people, chunks, monkeypatch):
    """populace/bulk/import_job.py:Pace"""
    seen: list[int] = []
    monkeypatch.setattr(import_job, "FIRST", 10)
    monkeypatch.setattr(import_job, "LEAST", 5)
    monkeypatch.setattr(import_job, "WRITTEN", {connection.vendor: 25})
    monkeypatch.setattr(import_job, "QUICK_S", float("inf"))
    import_people(*({"username": f"u{n}"} for n in range(80)), report=lambda job: seen.append(job.done))
    assert (chunks(seen)[0], max(chunks(seen)), sum(chunks(seen))) == (10, 25, 80)
    monkeypatch.setattr(import_job, "SLOW_S", -1.0)  # every one was slower
    seen.clear()
    import_people(*({"username": f"v{n}"} for n in range(30)), report=lambda job: seen.append(job.done))
    assert chunks(seen)[0] == 10
    assert set(chunks(seen)[2:]) == {5}  # the reader is one ahead


def test_a_chunk_on_sqlite_holds_up_nobody_for_long():
    assert import_job.WRITTEN["sqlite"] == 200


@pytest.mark.django_db(transaction=True)  # passwords are hashed meanwhile: no transaction may be open
def test_a_chunk_ends_early_where_passwords_are_to_be_hashed(import_people, chunks, monkeypatch):
    """populace/bulk/reading.py:_some"""
    monkeypatch.setattr(reading, "PASSWORDS", 2)
    seen: list[int] = []
    people = ({"username": f"u{n}", "password": "open sesame"} for n in range(3))
    import_people(*people, report=lambda job: seen.append(job.done))
    assert chunks(seen) == [2, 1]


@pytest.mark.django_db(transaction=True)
@pytest.mark.only_on("postgresql", "mariadb", "no other connection can write while SQLite's transaction does")
@pytest.mark.parametrize("on_conflict", ["skip", "fail", "update"])
def test_somebody_made_meanwhile_is_found_and_the_others_go_in(import_people, on_conflict):
    """populace/bulk/importer.py:Importer._again"""
    people = [{"username": f"u{number}", "first_name": "Ann"} for number in range(9)]
    with once_behind(LOOK, lambda: create_user(by=SYSTEM, values={"username": "u5"}, quiet=True)):
        result = import_people(*people, on_conflict=on_conflict)
    assert (result.done, result.skipped, result.failed) == {
        "skip": (8, 1, 0),
        "fail": (8, 0, 1),
        "update": (9, 0, 0),
    }[on_conflict]
    assert User.objects.count() == 9
    assert User.objects.get(username="u5").first_name == ("Ann" if on_conflict == "update" else "")
    assert Identifier.objects.count() == 18


@pytest.mark.django_db(transaction=True)
@pytest.mark.only_on("postgresql", "mariadb", "no other connection can write while SQLite's transaction does")
def test_somebody_erased_meanwhile_is_made_anew(import_people):
    import_people(*(person(number) for number in range(5)))
    gone = User.objects.get(external_id="3").id
    with once_behind(LOOK, lambda: erase_user(gone, by=SYSTEM)):
        result = import_people(*(person(number, first_name="Ann") for number in range(5)))
    assert (result.done, result.counts["updated"]) == (5, 4)
    assert User.objects.exclude(pk=gone).filter(external_id="3", first_name="Ann").exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.only_on("postgresql", "no other connection can write while SQLite's transaction does")
def test_a_group_deleted_meanwhile_is_made_anew(import_people):
    """populace/groups/batches.py:joining"""
    elsewhere(lambda: create_group(by=SYSTEM, values={"name": "one"}))
    gone = Group.objects.get().id
    with once_behind('SELECT "groups_group"."name_normal"', lambda: delete_group(gone, by=SYSTEM)):
        result = import_people({"username": "ann", "groups": ["one"]})
    assert result.done == 1
    assert Group.objects.get().id != gone


@pytest.mark.django_db(transaction=True)
def test_two_imports_of_one_file_at_once_make_everybody_once(import_people, run, tmp_path):
    """Rows that meet wait for each other, and whoever comes second finds who is there."""
    path = tmp_path / "people.csv"
    path.write_text("username,email\n" + "".join(f"u{n},u{n}@example.org\n" for n in range(450)))
    copy = tmp_path / "copy.csv"
    copy.write_text("username,email\n" + "".join(f"u{n},u{n}@example.org\n" for n in reversed(range(450))))
    results, together = [], threading.Barrier(2)

    def work(file):
        try:
            together.wait()
            results.append(run(file))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=[file]) for file in (path, copy)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 2
    assert sum(result.done for result in results) == 450
    assert sum(result.skipped for result in results) == 450
    assert User.objects.count() == 450
    assert Identifier.objects.count() == 3 * 450
