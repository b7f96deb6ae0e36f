"""Every list that is served, at its first, a middle and its last page, both ways: nothing is read but what is shown."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from populace.api.lists import folded_list
from populace.credentials.models import ApiToken
from populace.credentials.tokens import digest
from populace.groups.models import Group, Membership
from populace.infra.db.fields import NEVER
from populace.infra.db.ids import LAST_ID
from populace.infra.db.patience import patient
from populace.users import search_parts, statistics
from populace.users.counts import count
from populace.users.lists import Listing, listing_of
from populace.users.lookup import HOLDERS, PEOPLE
from populace.users.models import Identifier, User
from populace.users.pages import ROWS
from populace.users.querysets import SEARCHED, Reader
from populace.users.search import EXAMINED, words_of
from tests.support.lists import check, check_reads, column_of, key_of, listings
from tests.support.plans import ANY_TABLE, analyze, explain, explain_sql

PEOPLE_COUNT = 20_000  # enough that a scan, a sort or the wrong index would read far more than a page
DIGEST = digest("somebody")
DAY = timedelta(days=1)
SINCE = datetime(2020, 1, 1, tzinfo=UTC)
BIG, SMALL = UUID(int=1 << 100), UUID(int=2 << 100)


def person(n: int) -> User:
    """Skewed as people are: few inactive, one domain of most, common last names, most of whom never signed in."""
    id = UUID(int=(n * 7919 % PEOPLE_COUNT + 1) << 96 | 7 << 76 | 2 << 62 | n)
    domain = "example.com" if n % 10 else f"d{n % 130}.example"
    joined = SINCE + timedelta(minutes=(n * 6151 % PEOPLE_COUNT) // 3)  # three at a time
    return User(
        id=id,
        username=f"user{n}",
        username_normal=f"user{n}",
        email=f"u{n}@{domain}",
        email_normal=f"u{n}@{domain}",
        email_domain=domain,
        first_name_normal=("ann", "bob", "cem", "dan")[n % 4],
        last_name_normal="smith" if n % 20 == 0 else f"name{n % 3000}",
        is_active=n % 25 != 0,
        date_joined=joined,
        updated_at=joined + DAY,
        last_sign_in_at=joined + DAY if n % 3 == 0 else NEVER,
    )


@pytest.fixture(scope="module")
def people(django_db_setup, django_db_blocker):
    """The directory, committed once for this module and removed behind it; sorted by id."""
    with django_db_blocker.unblock():
        with patient():  # a loaded machine commits so many rows slowly
            found = sorted((person(n) for n in range(PEOPLE_COUNT)), key=lambda one: one.id)
            User._base_manager.bulk_create(found, batch_size=1000)
            groups = [Group(id=id, name=str(id), name_normal=str(id)) for id in (BIG, SMALL)]
            Group._base_manager.bulk_create(groups)
            rows = [Membership(user_id=p.id, group_id=BIG, since=SINCE) for p in found[::2]]
            rows += [Membership(user_id=p.id, group_id=SMALL, since=SINCE) for p in found[-300:]]
            Membership._base_manager.bulk_create(rows, batch_size=1000)
            keys = [Identifier(key=f"username:{p.username}", user_id=p.id, unicode_version="15.1.0") for p in found]
            Identifier._base_manager.bulk_create(keys, batch_size=1000)
            token = ApiToken(
                digest=DIGEST, user_id=next(p.id for p in found if p.is_active), scopes="users:read", created_at=SINCE
            )
            ApiToken._base_manager.bulk_create([token])
            analyze(connection)
        statistics._kept.clear()  # what this process read of another test's people
        yield found
        statistics._kept.clear()
        with patient():
            for model in (ApiToken, Identifier, Membership, Group, User):
                model._base_manager.all()._raw_delete(connection.alias)


VALUES = {
    "is_active": ("true", "false"),
    "domain": ("example.com", "d10.example"),
    "group": (str(BIG), str(SMALL)),
    "joined_after": ("2020-01-02",),
    "joined_before": ("2020-01-04",),
    "last_login_after": ("2020-01-03",),
    "last_login_before": ("2020-01-04",),
    "updated_after": ("2020-01-03",),
    "updated_before": ("2020-01-04",),
}
LISTINGS = listings(VALUES)

SEARCHES = [
    {"q": "user1"},  # common
    {"q": "user19999"},
    {"q": "smith"},
    {"q": "zzz"},  # nobody
    {"q": "ann smith", "is_active": "true"},
    {"q": "u1 bob name1", "is_active": "false"},
]


def expected(listing: Listing, people: list[User]) -> list[User]:
    """Return the people of a list in its order, found without a database."""
    group = {BIG: set(people[::2]), SMALL: set(people[-300:])}
    tests = {
        "is_active": lambda p, value: p.is_active is value,
        "domain": lambda p, value: p.email_domain == value,
        "group": lambda p, value: p in group[value],
        "joined_after": lambda p, value: p.date_joined > value,
        "joined_before": lambda p, value: p.date_joined < value,
        "last_login_after": lambda p, value: p.last_sign_in_at > value,
        "last_login_before": lambda p, value: NEVER < p.last_sign_in_at < value,
        "updated_after": lambda p, value: p.updated_at > value,
        "updated_before": lambda p, value: p.updated_at < value,
    }
    found = [p for p in people if all(tests[name](p, value) for name, value in listing.filters.items())]
    return sorted(found, key=lambda p: (getattr(p, column_of(listing)), p.id), reverse=listing.descending)


def key(listing: Listing, person: User) -> tuple[str, ...]:
    """Return a person's place in a list, as its rows say it."""
    return key_of(listing, getattr(person, column_of(listing)), person.id)


def pages(listing: Listing, found: list[User], rows: int) -> list[tuple[tuple[str, ...], bool, list[User]]]:
    """Return (key, backwards, people) of the first, a middle and the last page, both ways."""
    middle, last = len(found) // 2, max(len(found) - rows // 2, 1)
    ways = []
    for at in sorted({0, middle, last} - {len(found)}):
        behind = key(listing, found[at - 1]) if at else ()
        ways.append((behind, False, found[at : at + rows]))
        ways.append((key(listing, found[at]), True, found[:at][::-1][:rows]))
    return ways


@pytest.mark.parametrize("name", LISTINGS)
def test_a_page_reads_what_it_shows(people, db, name):
    """Right people, right index, custom and generic plan, smallest and largest page."""
    listing = LISTINGS[name]
    found = expected(listing, people)
    assert found, "nobody to list"
    for rows in (ROWS[0], ROWS[-1]):
        for behind, backwards, shown in pages(listing, found, rows):
            read, values = listing.read(behind, backwards=backwards)
            answer = read.result(values, rows)
            assert [row[-1] for row in answer] == [str(p.id).encode() for p in shown]
            for generic in (False, True) if connection.vendor == "postgresql" else (False,):
                given = {"digest": DIGEST, **values}
                plan = explain(folded_list(read), connection, generic=generic, limit=rows, run=True, **given)
                check(plan, listing, len(shown), rows, generic=generic)


@pytest.mark.only_on("postgresql", "sqlite", "MariaDB reads every walk to its bound, and sorts")
@pytest.mark.parametrize("parameters", SEARCHES, ids=lambda parameters: " ".join(parameters.values()))
@pytest.mark.parametrize("backwards", [False, True])
def test_a_search_walks_indexes_and_stops(people, db, parameters, backwards):
    listing = listing_of(parameters)
    end = ("3", listing.words[0].bounds(SEARCHED[3])[1], str(LAST_ID))  # of the last walk, before the parts
    read, values = listing.read(end if backwards else (), backwards=backwards)
    given = {"digest": DIGEST, **values}
    for generic in (False, True) if connection.vendor == "postgresql" else (False,):
        plan = explain(folded_list(read), connection, generic=generic, limit=21, run=True, **given)
        assert {"user_username", "user_email", "user_last_name", "user_first_name"} <= plan.indexes
        check_reads(plan, 21, EXAMINED + 2 * 21 if " " in parameters["q"] else 2 * 21 + 1)


@pytest.mark.only_on("postgresql", "sqlite", "MariaDB reads every walk to its bound, and sorts")
def test_the_bound_of_a_search_holds_whatever_is_asked_for(people, db, monkeypatch):
    """`user` begins 20,000 user names, and none of them has the other word."""
    read, values = listing_of({"q": "user zzz"}).read((), backwards=False)
    rows = read.result(values, 21)
    assert len(rows) == 1
    document, step, place, _, last = rows[0]
    assert (document, step, last) == (None, b"0", b"t")
    assert place.decode() == sorted(p.username for p in people)[EXAMINED - 1]
    plan = explain(folded_list(read), connection, limit=21, run=True, digest=DIGEST, **values)
    check_reads(plan, 21, EXAMINED)


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
def test_a_look_up_of_many_reads_those_alone(people, db, generic):
    keys = [f"username:user{n}" for n in range(20)]
    ids = [p.id for p in people[:20]]
    check_reads(explain(HOLDERS, connection, generic=generic, run=True, keys=keys), 20, 20)
    check_reads(explain(PEOPLE, connection, generic=generic, run=True, ids=ids), 20, 20)


@pytest.mark.only_on("postgresql", "SQLite plans every statement by itself")
def test_a_list_is_planned_once(people, db):
    """Guard: config/engines.py:PLANS."""
    for parameters in ({}, {"q": "user1"}, {"group": str(BIG)}, {"domain": "example.com", "is_active": "true"}):
        read, values = listing_of(parameters).read((), backwards=False)
        folded = folded_list(read)
        for _ in range(7):
            folded.result({"digest": DIGEST, **values}, 21)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT generic_plans FROM pg_prepared_statements WHERE statement = %s",
                [folded.plan(connection, 21).text],
            )
            [[generic]] = cursor.fetchall()
        assert generic == 7, parameters


def scans(plan, name):
    """Return (how often, how many entries found) a plan has scanned this index; PostgreSQL only."""
    nodes = [json.loads(plan.text)]
    for node in nodes:
        nodes += node.get("Plans", [])
    found = [node for node in nodes if node.get("Index Name") == name]
    return sum(node["Actual Loops"] for node in found), sum(node["Actual Rows"] for node in found)


def work(statement, values):
    """Return how many instructions SQLite's machine takes for a page."""
    count = itertools.count()
    connection.connection.set_progress_handler(lambda: next(count) and None, 1)
    try:
        statement.result(values, 21)
    finally:
        connection.connection.set_progress_handler(None, 1)
    return next(count)


def ways():
    return (False, True) if connection.vendor == "postgresql" else (False,)


@pytest.mark.only_on("postgresql", "sqlite", "MariaDB finds beginnings of words: see below")
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(("q", "found"), [("ser1999", 11), ("ame2999 dan", 6), ("er19999", 1), ("zzzyyy", 0)])
def test_a71_a_rare_part_reads_whom_it_shows(people, db, q, found, backwards):
    """Guards: populace/infra/db/parts_postgresql.py:condition (the indexed expression, as a LIKE of a parameter),
    populace/infra/db/parts.py:Holds (a lookup: SQLite would read every row), users/search_parts.py:LookUp.compile.
    """
    read, values = listing_of({"q": q}).read((), backwards=backwards)
    assert len(read.result(values, 21)) == found
    for generic in ways():
        plan = explain(folded_list(read), connection, generic=generic, limit=21, run=True, digest=DIGEST, **values)
        check_reads(plan, found + 30, 2 * found + 30)  # of its rare letters, a few others have them, too
        assert "user_parts" in plan.text
    if connection.vendor == "sqlite":
        assert work(read, values) < 10_000  # people are twice as many


@pytest.mark.only_on("postgresql", "sqlite", "MariaDB reads every walk to its bound, and sorts")
def test_a_page_of_beginnings_looks_up_no_parts(people, db):
    """Guard: populace/users/search.py:Search.compile (walks and look-up are one behind the other)."""
    read, values = listing_of({"q": "user1"}).read((), backwards=False)
    if connection.vendor == "sqlite":
        plain = search_parts.search(False, False)
        without = {name: values[name] for name in (param.value for param in plain.plan(connection, 21).params)}
        assert work(read, values) < 2 * work(plain, without)
        return
    for generic in (False, True):
        values["common"], values["part"] = False, "%user1%"
        plan = explain(folded_list(read), connection, generic=generic, limit=21, run=True, digest=DIGEST, **values)
        assert scans(plan, "user_parts") == (0, 0)
        if generic:  # a custom plan knows that half of all people have this part, and would scan, if it ever came to it
            check_reads(plan, 21, 2 * 21 + 1)


@pytest.mark.only_on("postgresql", "the others look up no more than they show")
def test_a71_in_a_large_directory_beginnings_wait_for_no_parts(people, db, monkeypatch):
    """Guard: populace/users/search_parts.py:_waits."""
    monkeypatch.setattr("populace.users.search_parts.AT_ONCE", 1_000)
    listing = listing_of({"q": "user1999"})
    for backwards in (False, True):
        read, values = listing.read((), backwards=backwards)
        rows = read.result(values, 21)
        assert (len(rows), len(listing.completed(rows, 21, (), backwards=backwards))) == (11, 11 if backwards else 12)
        plan = explain(folded_list(read), connection, generic=True, limit=21, run=True, digest=DIGEST, **values)
        assert ("user_parts" in plan.text) == backwards
        check_reads(plan, 11, 4 * 11 + 1)  # twice walked, looked up, shown


@pytest.mark.only_on("postgresql", "SQLite finds one row after the other, and has no statistics of values")
def test_a71_a_common_part_is_walked_for_not_looked_up(people, db):
    """Guard: populace/users/search_parts.py:_place_of (`common`)."""
    for backwards in (False, True):
        read, values = listing_of({"q": "example"}).read((), backwards=backwards)
        shown = [row[3].decode() for row in read.result(values, 21)]
        assert shown == [str(p.id) for p in (people[::-1] if backwards else people)][:21]
        for generic in (False, True):
            plan = explain(folded_list(read), connection, generic=generic, limit=21, run=True, digest=DIGEST, **values)
            assert scans(plan, "user_parts")[1] == 0
            check_reads(plan, 21, 2 * 21 + 1)


@pytest.mark.only_on("postgresql", "sqlite", "MariaDB finds beginnings of words: see below")
def test_a71_a_look_up_is_bounded(people, db):
    """`ame` is in 19,000 last names. Guards: populace/users/search_parts.py:LookUp.compile (the inner LIMIT, on
    PostgreSQL), populace/infra/db/parts_sqlite.py:condition (its LIMIT).
    """
    statement = search_parts.search(False, True, 500)
    words = words_of("ame zzz")
    read, values = search_parts.read(words, None, (), descending=False)
    values |= {"common": False, "part": "%ame%"} if "common" in values else {}
    assert statement.result(values, 21) == []
    if connection.vendor == "sqlite":
        assert work(statement, values) < work(read, values) / 10
    else:
        plan = explain(folded_list(statement), connection, generic=True, limit=21, run=True, digest=DIGEST, **values)
        assert plan.read["users_user"] <= 501


@pytest.mark.only_on("postgresql", "sqlite", "MariaDB finds beginnings of words: see below")
def test_a71_a_rare_part_is_counted_by_its_index(people, db):
    """Guard: populace/users/search_parts.py:fits."""
    for kind in ("exact", "capped"):
        with CaptureQueriesContext(connection) as seen:
            assert count(kind, Reader(), {}, words_of("ame2999 dan")) == 6
        plan = explain_sql(seen[-1]["sql"], connection)
        assert "user_parts" in plan.text
        assert "users_user" not in plan.scanned


@pytest.mark.only_on("mariadb", "the others find middles: see above")
@pytest.mark.parametrize("backwards", [False, True])
def test_a71_a_rare_beginning_reads_whom_it_finds(people, db, backwards):
    """Guard: populace/infra/db/parts_mariadb.py:condition (a range of the words)."""
    found = [str(p.id) for p in people if p.email_domain == "d120.example"]
    read, values = listing_of({"q": "d120.example"}).read((), backwards=backwards)
    assert [row[3].decode() for row in read.result(values, 21)] == (found[::-1] if backwards else found)[:21]
    plan = explain(folded_list(read), connection, limit=21, run=True, digest=DIGEST, **values)
    assert "user_parts" in plan.text
    assert plan.read[ANY_TABLE] < 20 * len(found)  # the entry, the person, and sorts; people are 130 times as many


@pytest.mark.only_on("mariadb", "the others find middles: see above")
def test_a71_a_look_up_of_beginnings_is_bounded(people, db):
    """`example` is in all addresses. Guard: populace/infra/db/parts_mariadb.py:condition (its LIMIT)."""
    statement = search_parts.search(False, True, 500)
    _, values = search_parts.read(words_of("example zzz"), None, (), descending=False)
    assert statement.result(values, 21) == []
    plan = explain(folded_list(statement), connection, limit=21, run=True, digest=DIGEST, **values)
    assert plan.read[ANY_TABLE] < 10 * 500  # people are 40 times as many


@pytest.mark.only_on("mariadb", "the others find middles: see above")
def test_a71_a_rare_beginning_is_counted_by_its_index(people, db):
    """Guard: populace/users/search_parts.py:fits."""
    found = sum(p.email_domain == "d120.example" and p.first_name_normal == "cem" for p in people)
    for kind in ("exact", "capped"):
        with CaptureQueriesContext(connection) as seen:
            assert count(kind, Reader(), {}, words_of("d120.example cem")) == found > 50
        plan = explain_sql(seen[-1]["sql"], connection)
        assert "user_parts" in plan.text
        assert "users_user" not in plan.scanned
        assert plan.read[ANY_TABLE] < 20 * 2 * found


@pytest.mark.only_on("postgresql", "the others keep no statistics")
def test_a71_common_threes_of_a_rare_part_are_not_looked_up(people, db):
    """Guard: populace/users/search_parts.py:rare_stretch."""
    _, values = search_parts.read(words_of("@example.com.zzzq"), None, (), descending=False)
    assert (values["part"], values["common"]) == ("%om.zzzq%", False)
    texts = "\n".join(["anna", "joanna", "hanna", "susanna", "zoe"])
    for word, rare in (("annabel", "nabel"), ("anna", ""), ("zoeanna", "zoean"), ("zoe", "zoe"), ("anna.y", "")):
        assert search_parts.rare_stretch(word, texts) == rare


@pytest.mark.only_on("postgresql", "the others keep no statistics")
def test_a_common_part_is_estimated_by_statistics(people, db):
    """A hundred bounds tell roughly, fewer where every tenth person differs. Guard: populace/users/counts.py:_share."""
    for q, inside in (("ample.co", 18_000), ("ample.co smi", 1_000), ("zzzyyy", 0)):
        assert inside / 2 <= count("estimate", Reader(), {}, words_of(q)) <= inside * 2


@pytest.mark.only_on("postgresql", "the others know neither")
@pytest.mark.parametrize(("setting", "value"), [("jit", "off"), ("max_parallel_workers_per_gather", "0")])
def test_no_plan_is_compiled_to_machine_code_or_given_workers(db, setting, value):
    """Guard: config/engines.py:PLANS. Both begin where a million people are reckoned with."""
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {setting}")
        assert cursor.fetchall() == [(value,)]
