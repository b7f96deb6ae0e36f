"""The write door: all or nothing, one statement on PostgreSQL, and the same errors on every engine."""

import json
import threading
from contextlib import nullcontext

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone

from populace.audit.models import Event, Outbox
from populace.groups.models import Group, Membership
from populace.infra.db.ids import new_id
from populace.infra.db.write import Change, Duplicate, Stale, write
from populace.users.models import Identifier, User
from populace.users.reads import USER

ACTOR = new_id()
TABLES = (User, Identifier, Event, Outbox, Membership)


def claim(key, user):
    return Identifier(key=key, user_id=user.id, unicode_version="15.1.0")


def recorded(user, details=None):
    event = Event(subject_id=user.id, at=timezone.now(), subject_kind="person", action="user.x", actor=ACTOR)
    event.details = details
    return [event, Outbox(event_id=event.id, subject_id=user.id, action="user.x", at=event.at)]


def created(*keys, **values):
    """Write a person with these identifiers; returns the row."""
    user = User(**values)
    write([user, *(claim(key, user) for key in keys), *recorded(user)])
    return user


def counts():
    return [model._base_manager.count() for model in TABLES]


@pytest.fixture(
    params=[
        pytest.param(nullcontext, marks=pytest.mark.django_db(transaction=True), id="alone"),
        pytest.param(transaction.atomic, marks=pytest.mark.django_db, id="in_atomic"),
    ]
)
def block(request):
    """Each test that takes it runs twice: the write alone, and inside a transaction of the caller."""
    assert connection.in_atomic_block == (request.param is transaction.atomic)
    return request.param


def test_everything_is_written_and_the_new_document_returned(block):
    user = User(username="Ada", attributes={"a": [1, None]})
    with block():
        found = write([user, claim("username:ada", user), *recorded(user, {"changes": {}})], returning=USER)
    assert found == USER.one(id=user.id)
    assert json.loads(found)["username"] == "Ada"
    assert counts() == [1, 1, 1, 1, 0]
    assert Event.objects.get().details == {"changes": {}}


@pytest.mark.only_on("postgresql", "elsewhere it is one transaction")
def test_on_postgresql_it_is_one_statement(db, engine, django_assert_num_queries):
    user = User(username="Ada")
    with django_assert_num_queries(1):
        write([user, claim("username:ada", user), *recorded(user)], returning=USER)
    with django_assert_num_queries(1):
        write(
            recorded(user), change=Change(user, ("username",), 1), remove=[claim("username:ada", user)], returning=USER
        )


def test_rows_need_no_order_and_come_in_any_number(db):
    people = [User(username=str(n)) for n in range(30)]
    write([row for user in people for row in (user, claim(f"username:{user.username}", user), *recorded(user))])
    assert counts() == [30, 30, 30, 30, 0]


def test_no_details_are_null_and_some_are_json_whichever_comes_first(db):
    for details in (None, {"a": 1}, None, {}):
        write(recorded(User(), details))
    assert Event.objects.filter(details__isnull=True).count() == 2
    assert {str(event.details) for event in Event.objects.all()} == {"None", "{'a': 1}", "{}"}


def test_a_change_counts_the_version_and_shows_the_new_row(block):
    user = created("email:a@x.org", email="a@x.org")
    user.email, user.first_name = "b@x.org", "not among the fields"
    with block():
        found = write(
            [claim("email:b@x.org", user), *recorded(user)],
            change=Change(user, ("email",), 1),
            remove=[claim("email:a@x.org", user)],
            returning=USER,
        )
    assert found == USER.one(id=user.id)
    shown = json.loads(found)
    assert (shown["email"], shown["first_name"], shown["version"]) == ("b@x.org", "", 2)
    assert list(Identifier.objects.values_list("key", flat=True)) == ["email:b@x.org"]


def test_nobody_gives_up_what_somebody_else_has_claimed(block):
    """populace/infra/db/write_terms.py:removed_by"""
    first, second = created("username:ada"), created("username:eve", "confusable:ada", "confusable:eve")
    with block():
        gone = [claim("confusable:ada", first), claim("username:ada", first), claim("confusable:eve", first)]
        write([], change=Change(first, (), 1), remove=gone)
    assert set(Identifier.objects.values_list("key", "user_id")) == {
        (key, second.id) for key in ("username:eve", "confusable:ada", "confusable:eve")
    }


def test_a_change_needs_no_rows(block):
    user = created()
    with block():
        assert write([], change=Change(user, (), 1)) is None
    assert User.objects.get().version == 2


def test_stale_writes_nothing_and_breaks_nothing(block):
    user, group = created("username:ada"), Group(name="G", name_normal="g")
    membership = Membership(user=user, group=group, since=timezone.now())
    write([group])
    write([membership])
    before = counts()
    with block():
        for expected, row in ((7, user), (1, User(username="nobody"))):
            row.username = "changed"
            with pytest.raises(Stale):
                write(
                    [claim("username:new", row), *recorded(row)],
                    change=Change(row, ("username",), expected),
                    remove=[membership, claim("username:ada", row)],
                )
            with pytest.raises(Stale):
                write([], change=Change(row, ("username",), expected), returning=USER)
        assert counts() == before
    assert counts() == before
    assert User.objects.get().username == ""


def test_rows_of_several_models_are_removed_by_simple_and_composite_keys(block):
    user, other = created("username:ada", "email:a@x.org"), created()
    groups = [Group(name=name, name_normal=name) for name in "abc"]
    write(groups)
    write([Membership(user=person, group=group, since=timezone.now()) for person in (user, other) for group in groups])
    event = Event.objects.get(subject_id=user.id)
    gone = [Membership(user=user, group=group) for group in groups[:2]]
    with block():
        write([], remove=[*gone, claim("username:ada", user), event, claim("username:never was", user)])
    assert set(Membership.objects.values_list("user_id", "group_id")) == {
        (user.id, groups[2].id),
        *((other.id, group.id) for group in groups),
    }
    assert list(Identifier.objects.values_list("key", flat=True)) == ["email:a@x.org"]
    assert not Event.objects.filter(subject_id=user.id).exists()


def test_a_twin_alone_is_told_every_taken_key_and_leaves_nothing(transactional_db):
    created("email:a@x.org", "username:ada")
    before = counts()
    with pytest.raises(Duplicate) as caught:
        created("email:a@x.org", "phone:+4912345678", "username:ada")
    assert (caught.value.model, caught.value.keys) == (Identifier, ["email:a@x.org", "username:ada"])
    assert counts() == before
    assert "ada" not in str(caught.value)


def test_a_twin_inside_a_transaction_breaks_it(db):
    created("username:ada")
    before = counts()
    with transaction.atomic():
        created("username:bob")
        with pytest.raises(Duplicate) as caught:
            created("email:c@x.org", "username:ada")
        assert caught.value.keys == ["username:ada"]
        with pytest.raises(transaction.TransactionManagementError):
            counts()
    assert counts() == before


def test_a_twin_in_a_savepoint_breaks_only_the_savepoint(db):
    created("username:ada")
    with transaction.atomic():
        with pytest.raises(Duplicate), transaction.atomic():
            created("username:ada")
        created("username:bob")
    assert counts() == [2, 2, 2, 2, 0]


@pytest.mark.parametrize("name", ["plain", "a) or (b", "it's", "x)=(y"])
def test_a_taken_name_of_another_unique_column_is_a_duplicate_too(block, name):
    write([Group(name=name, name_normal=name)])
    with pytest.raises(Duplicate) as caught, block():
        write([Group(name="other", name_normal="other"), Group(name=name, name_normal=name)])
    assert (caught.value.model, caught.value.keys) == (Group, [name])


def test_a_change_to_a_taken_name_is_a_duplicate(block):
    group = Group(name="b", name_normal="b")
    write([Group(name="a", name_normal="a"), group])
    group.name_normal = "a"
    with pytest.raises(Duplicate) as caught, block():
        write([], change=Change(group, ("name", "name_normal"), 1))
    assert (caught.value.model, caught.value.keys) == (Group, ["a"])
    assert Group.objects.filter(version=1).count() == 2


def test_the_same_membership_twice_is_a_duplicate(transactional_db):
    user, group = created(), Group(name="a", name_normal="a")
    write([group])
    for _ in range(2):
        membership = Membership(user=user, group=group, since=timezone.now())
        if Membership.objects.exists():
            with pytest.raises(Duplicate) as caught:
                write([membership])
            assert caught.value.keys == [membership.pk]
        else:
            write([membership])


def test_a_missing_parent_is_an_integrity_error_not_a_duplicate(transactional_db):
    group = Group(name="a", name_normal="a")
    with pytest.raises(IntegrityError):
        write([group, Membership(user_id=new_id(), group=group, since=timezone.now())])
    assert not Group.objects.exists()


@pytest.mark.only_on("postgresql", "SQLite checks no length")
def test_a_text_too_long_for_its_column_is_never_cut(db, engine):
    user = created()
    user.username = "a" * 65
    for rows, change in (
        ([User(username="a" * 65)], None),
        ([claim("a" * 341, user)], None),
        ([], Change(user, ("username",), 1)),
    ):
        with pytest.raises(DataError), transaction.atomic():
            write(rows, change=change)


def test_an_expression_is_refused_before_anything_is_sent(db):
    user = created()
    with pytest.raises(TypeError):
        write([User(version=F("version") + 1)])
    user.version = F("version") + 1
    with pytest.raises(TypeError):
        write([], change=Change(user, ("version",), 1))


def together(*calls):
    """Run the calls at the same moment, each in a thread; return their results or exceptions."""
    start, results = threading.Barrier(len(calls)), [None] * len(calls)

    def run(place, call):
        start.wait()
        try:
            results[place] = call()
        except Exception as error:
            results[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return results


@pytest.mark.django_db(transaction=True)
def test_of_simultaneous_twins_exactly_one_wins():
    for number in range(10):
        keys = [f"email:{number}@x.org", f"username:{number}"]
        results = together(*[lambda keys=keys: created(*keys) for _ in range(4)])
        assert sorted(type(result).__name__ for result in results) == ["Duplicate"] * 3 + ["User"]
    assert counts() == [10, 20, 10, 10, 0]


@pytest.mark.django_db(transaction=True)
def test_of_simultaneous_changes_exactly_one_wins():
    user = created()

    def rename(name):
        return write(recorded(user), change=Change(User(id=user.id, username=name), ("username",), 1), returning=USER)

    results = together(*[lambda name=name: rename(name) for name in "abcd"])
    assert sorted(type(result).__name__ for result in results) == ["Stale"] * 3 + ["bytes"]
    assert counts() == [1, 0, 2, 2, 0]


@pytest.mark.django_db(transaction=True)
def test_a_change_waits_for_the_one_before_and_is_then_stale():
    """So of one person's changes, the later commit has the later outbox id."""
    user, begun = created(), threading.Event()

    def first():
        with transaction.atomic():
            write([], change=Change(user, (), 1))
            begun.set()
            threading.Event().wait(0.3)  # seconds: the other write has begun by then, and waits for the row
            write(recorded(user))

    def later():
        begun.wait(10)
        return write(recorded(user), change=Change(user, (), 1))

    results = together(first, later)
    assert [type(result).__name__ for result in results] == ["NoneType", "Stale"]
    assert counts() == [1, 0, 2, 2, 0]
