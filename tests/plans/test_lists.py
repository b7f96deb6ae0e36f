"""Every list that is served, at its first, a middle and its last page, both ways: nothing is read but what is shown."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection

from populace.api.lists import folded_list
from populace.credentials.models import ApiToken
from populace.credentials.tokens import digest
from populace.groups.models import Group, Membership
from populace.infra.db.fields import NEVER
from populace.users.lists import Listing, listing_of
from populace.users.lookup import HOLDERS, PEOPLE
from populace.users.models import Identifier, User
from populace.users.pages import ROWS
from populace.users.search import EXAMINED
from tests.support.lists import check, check_reads, column_of, key_of, listings
from tests.support.plans import analyze, explain

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
        yield found
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
    read, values = listing_of(parameters).read((), backwards=backwards)
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
