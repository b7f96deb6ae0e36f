"""Compiled reads: the serializer's output, byte for byte JSON, without serializer or ORM at run time."""

import contextlib
import json
import random
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DataError, InterfaceError, OperationalError, connection, connections, transaction
from rest_framework import serializers as drf
from rest_framework.renderers import JSONRenderer

from populace.groups.models import Group, Membership
from populace.infra.db.compiled import Compiled, ListParam, Param
from populace.infra.db.documents import document
from populace.infra.db.fields import FOREVER, NEVER
from populace.infra.db.ids import new_id
from populace.users.documents import UserDocument
from populace.users.models import Identifier, User

ID = Param("id", User._meta.get_field("id"))
DOCUMENT = Compiled(User.objects.filter(pk=ID).values_list(document(UserDocument, owner=ID)))
PAGE = Compiled(User.objects.order_by("id").values_list(document(UserDocument)), limits=(20, 200))
ROW = Compiled(User.objects.filter(pk=ID).values_list("id", "is_active", "email_verified", "version", "username"))
MEMBER = Compiled(
    Membership.objects.filter(user_id=Param("user", Membership._meta.get_field("user"))).values_list("group_id")
)
SOME = Compiled(
    User.objects.filter(pk__in=ListParam("ids", User._meta.get_field("id"))).order_by("pk").values_list("username")
)
KEYS = Compiled(
    Identifier.objects.filter(key__in=ListParam("keys", Identifier._meta.get_field("key"))).values_list("key")
)
VERSION = Compiled(
    User.objects.filter(version=Param("version", User._meta.get_field("version"))).values_list("username")
)

CHARACTERS = "aZ0 '\"\\/<>&%_$?:;{}[]()\t\n\r\x01\x1f\x7féß漢🙂\u2028\u200d\ufeff\U0010fffd"


def text(dice: random.Random, longest: int) -> str:
    return "".join(dice.choices(CHARACTERS, k=dice.randint(0, longest)))


def moment(dice: random.Random) -> datetime:
    """Any time, often with the microseconds that engines print in a way of their own."""
    fraction = dice.choice([0, 1, 120000, 999999, dice.randrange(10**6)])
    whole = datetime.fromtimestamp(dice.randrange(-(10**9), 4 * 10**9), UTC)
    return dice.choice([whole.replace(microsecond=fraction)] * 8 + [NEVER, FOREVER])


def anything(dice: random.Random, depth: int = 3):
    if depth and dice.random() < 0.4:
        return {text(dice, 8): anything(dice, depth - 1) for _ in range(3)}
    if depth and dice.random() < 0.3:
        return [anything(dice, depth - 1) for _ in range(3)]
    return dice.choice([None, True, False, 0, -1, 2**53, 0.1, -2.5e-7, text(dice, 20)])


@pytest.fixture
def people(db):
    """200 random people in random groups."""
    dice = random.Random(7)
    groups = [Group(name=f"{n}{text(dice, 30)}", name_normal=str(n)) for n in range(8)]
    Group._base_manager.bulk_create(groups)
    people = [
        User(
            kind=dice.choice(["person", "service"]),
            **{name: text(dice, 60) for name in ("username", "email", "external_id", "first_name", "last_name")},
            phone=text(dice, 20),
            email_verified=dice.random() < 0.5,
            is_active=dice.random() < 0.7,
            attributes={"any": anything(dice), text(dice, 9): anything(dice)},
            date_joined=moment(dice),
            updated_at=moment(dice),
            last_sign_in_at=moment(dice),
            version=dice.choice([1, 2**31, 2**62]),
        )
        for _ in range(200)
    ]
    User._base_manager.bulk_create(people)
    Membership._base_manager.bulk_create(
        Membership(user=person, group=group, since=moment(dice))
        for person in people
        for group in dice.sample(groups, dice.randint(0, 5))
    )
    return people


def serialized(person: User) -> dict:
    stored = User.objects.prefetch_related("memberships__group").get(pk=person.pk)
    shown = json.loads(JSONRenderer().render(UserDocument(stored).data))
    shown["groups"].sort(key=lambda group: group["id"])
    return shown


def test_a_document_is_the_serializers_output(people):
    for person in people:
        found = json.loads(DOCUMENT.one(id=person.id))
        assert found == serialized(person)
        assert list(found) == list(UserDocument().fields)


def test_a_page_of_documents_is_the_serializers_output(people):
    assert json.loads(PAGE.array(limit=200)) == [serialized(person) for person in sorted(people, key=lambda p: p.id)]
    assert [json.loads(one) for one in PAGE.all(limit=20)] == json.loads(PAGE.array(limit=200))[:20]


def test_nobody_is_none(db):
    assert DOCUMENT.one(id=new_id()) is None
    assert ROW.row(id=new_id()) is None
    assert PAGE.array(limit=20) == b"[]"


def test_a_row_reads_alike_on_every_engine(people):
    person = people[0]
    flags = [b"t" if flag else b"f" for flag in (person.is_active, person.email_verified)]
    expected = (str(person.id).encode(), *flags, str(person.version).encode(), person.username.encode())
    assert ROW.row(id=person.id) == expected


def test_a_foreign_key_is_a_parameter_and_a_column_like_its_target(people):
    [membership, *_] = Membership.objects.order_by("user_id")
    assert UUID(MEMBER.all(user=membership.user_id)[0].decode()) in set(
        Membership.objects.filter(user_id=membership.user_id).values_list("group_id", flat=True)
    )


def test_lists_of_every_length_share_a_statement(people):
    some = sorted(people[:5], key=lambda person: person.id)
    assert SOME.all(ids=[person.id for person in some]) == [person.username.encode() for person in some]
    assert SOME.all(ids=[]) == []
    assert len(SOME.plans) == 1


def test_a_text_longer_than_the_column_is_not_cut_to_a_match(db):
    key = "username:" + "a" * 331
    Identifier._base_manager.bulk_create([Identifier(key=key, user_id=uuid4(), unicode_version="15")])
    assert KEYS.all(keys=[key, "x"]) == [key.encode()]
    assert KEYS.all(keys=[key + "a"]) == []


def test_numbers_of_every_size_share_a_statement_and_none_leaves_it(people):
    for version in (1, 2**31, 2**62):
        assert VERSION.all(version=version)
    with pytest.raises(ValueError, match="out of range"):
        VERSION.all(version=2**70)  # as numeric it would read the whole table


def test_wrong_names_and_limits_are_refused(db):
    for values in ({}, {"pk": new_id()}, {"id": new_id(), "more": 1}):
        with pytest.raises(TypeError):
            DOCUMENT.one(**values)
    with pytest.raises(ValueError, match="no statement for 21 rows"):
        PAGE.all(limit=21)


def test_a_read_is_counted_as_one_query(people, django_assert_num_queries):
    with django_assert_num_queries(3) as captured:
        DOCUMENT.one(id=people[0].id)
        ROW.row(id=people[0].id)
        PAGE.array(limit=20)
    assert "users_user" in captured[0]["sql"]


def test_a_read_passes_execute_wrappers(people):
    seen = []

    def wrapper(send, sql, params, many, context):
        seen.append(sql)
        return send(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        found = DOCUMENT.one(id=people[0].id)
    assert seen == [DOCUMENT.plan(connection).text]
    assert found == DOCUMENT.one(id=people[0].id)


def test_a_read_shares_the_transaction_and_survives_its_rollback(people):
    person = people[0]
    with transaction.atomic():
        savepoint = transaction.savepoint_create()
        User._base_manager.filter(pk=person.pk).update(username="changed")
        assert json.loads(DOCUMENT.one(id=person.id))["username"] == "changed"
        transaction.savepoint_rollback(savepoint)  # psycopg forgets its prepared statements here
        assert json.loads(DOCUMENT.one(id=person.id))["username"] == person.username


def test_a_broken_transaction_reads_nothing(people):
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(transaction.TransactionManagementError):
            DOCUMENT.one(id=people[0].id)


@pytest.mark.django_db(transaction=True)  # MariaDB ends a transaction before DDL
def test_a_changed_table_costs_only_a_new_plan(people, engine):
    DOCUMENT.one(id=people[0].id)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE users_user ADD COLUMN later integer")
        assert json.loads(DOCUMENT.one(id=people[0].id)) == serialized(people[0])
        cursor.execute("ALTER TABLE users_user DROP COLUMN later")


@pytest.mark.only_on("postgresql", "SQLite stores every text")
def test_errors_are_djangos(db, engine):
    with pytest.raises(DataError), transaction.atomic():
        KEYS.all(keys=["a\0b"])


@pytest.mark.only_on("postgresql", "SQLite keeps its statements itself")
@pytest.mark.django_db(transaction=True)
def test_a_statement_is_prepared_once(engine):
    for _ in range(3):
        DOCUMENT.one(id=new_id())
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT CONCAT%'")
        assert cursor.fetchone() == (1,)


def end_the_servers_side() -> None:
    """What a restarted server does to a connection that was kept: it is gone when next used."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT connection_id()" if connection.vendor == "mysql" else "SELECT pg_backend_pid()")
        [[pid]] = cursor.fetchall()
    other = connections["default"].copy()
    with other.cursor() as cursor:
        cursor.execute("KILL %s" if connection.vendor == "mysql" else "SELECT pg_terminate_backend(%s, 2000)", [pid])
    other.close()


@pytest.mark.only_on("postgresql", "mariadb", "SQLite has no server")
@pytest.mark.django_db(transaction=True)
def test_f02_a_kept_connection_the_server_closed_costs_a_read_nothing(engine):
    """The second try in `populace/infra/db/compiled.py:read`, and in `fetched`."""
    end_the_servers_side()
    assert DOCUMENT.one(id=new_id()) is None


@pytest.mark.only_on("postgresql", "mariadb", "SQLite has no server")
@pytest.mark.django_db(transaction=True)
def test_f02_inside_a_transaction_a_lost_connection_is_an_error(engine):
    """What came before is lost with it: `populace/infra/db/compiled.py:read` must not go on alone."""
    with contextlib.suppress(OperationalError, InterfaceError), transaction.atomic():
        end_the_servers_side()
        with pytest.raises(OperationalError):
            DOCUMENT.one(id=new_id())
    connection.close()


class Own(drf.Serializer):
    username = drf.CharField()

    def to_representation(self, instance):
        return {}


class Printed(drf.CharField):
    def to_representation(self, value):
        return value.upper()


@pytest.mark.parametrize(
    "fields",
    [
        {"x": drf.DecimalField(max_digits=3, decimal_places=1)},
        {"x": drf.SerializerMethodField()},
        {"x": drf.SlugRelatedField(slug_field="name", read_only=True)},
        {"username": Printed()},
        {"date_joined": drf.DateTimeField(format="iso-8601")},
        {"username": drf.CharField(source="*")},
        {"id": drf.ListSerializer(child=Own(), source="email")},
        {"memberships": Own(many=True)},
    ],
    ids=lambda fields: type(next(iter(fields.values()))).__name__,
)
def test_what_cannot_be_mirrored_is_refused_at_import(fields):
    meta = type("Meta", (), {"model": User})
    with pytest.raises(ImproperlyConfigured):
        document(type("Odd", (drf.Serializer,), fields | {"Meta": meta}))
