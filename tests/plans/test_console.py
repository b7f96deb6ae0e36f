"""What the console's pages ask the database, at any depth: no table is read from end to end, nothing is sorted."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from populace.audit.models import Event, Feed
from populace.console.keyset import position_of
from populace.credentials.hashing import hash_password
from populace.groups.models import Group, Membership
from populace.users.models import User
from tests.support.plans import analyze, explain_sql, sorts_all

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery staple"
ROWS = 5_000
SINCE = datetime(2020, 1, 1, tzinfo=UTC)
LARGE = {"users_user", "users_identifier", "audit_event", "audit_event_default", "audit_feed", "groups_membership"}


def at(n):
    return SINCE + timedelta(minutes=n)


@pytest.fixture
def filled(make_user, give_role):
    """Many people, events, members; and somebody who is signed in."""
    person = make_user(username="owner", password_hash=hash_password(PASSWORD))
    give_role(UUID(person["id"]), "owner")
    people = [
        User(
            username=f"u{n}",
            username_normal=f"u{n}",
            email_normal=f"u{n}@example.org",
            email=f"u{n}@example.org",
            first_name_normal=f"first{n % 100}",
            last_name_normal=f"last{n % 1000}",
            is_active=n % 20 != 0,
            date_joined=at(n),
        )
        for n in range(ROWS)
    ]
    User._base_manager.bulk_create(people, batch_size=500)
    events = [
        Event(
            subject_id=people[n].pk,
            at=at(n),
            subject_kind="user",
            action=f"user.act{n % 9}",
            actor=people[n % 3].pk,
            details={"changes": {}},
        )
        for n in range(ROWS)
    ]
    Event._base_manager.bulk_create(events, batch_size=500)
    feed = [Feed(seq=n + 1, subject_id=e.subject_id, at=e.at, event_id=e.id) for n, e in enumerate(events)]
    Feed._base_manager.bulk_create(feed, batch_size=500)
    (group,) = Group._base_manager.bulk_create([Group(name="All", name_normal="all")])
    members = [Membership(user_id=user.pk, group=group, since=SINCE) for user in people]
    Membership._base_manager.bulk_create(members, batch_size=500)
    analyze(connection)
    return people, events, group


@pytest.fixture
def browser(filled):
    client = Client()
    assert client.post("/console/login/", {"username": "owner", "password": PASSWORD}).status_code == 302
    return client


def pages(people, events, group):
    """Yield each kind of page at its beginning and far behind it."""
    middle, event = people[ROWS // 2], events[ROWS // 2]
    place, moment = position_of(middle, ("date_joined", "id")), position_of(event, ("at", "id"))
    yield "/console/users/user/", {}
    yield "/console/users/user/", {"after": place}
    yield "/console/users/user/", {"before": place}
    yield "/console/users/user/", {"is_active": "false", "after": place}
    yield "/console/users/user/", {"q": "u49"}
    yield f"/console/users/user/{middle.pk}/change/", {}
    yield f"/console/groups/group/{group.pk}/change/", {}
    yield "/console/events/", {}
    yield "/console/events/", {"after": f'["{ROWS // 2}"]'}
    yield "/console/events/", {"subject": str(event.subject_id)}
    yield "/console/events/", {"actor": str(event.actor), "after": moment}
    yield "/console/events/", {"action": event.action, "before": moment}
    yield "/console/events/", {"subject": str(uuid4())}


def test_no_page_reads_a_table_or_sorts(browser, filled):
    for path, query in pages(*filled):
        with CaptureQueriesContext(connection) as asked:
            assert browser.get(path, query).status_code == 200
        for statement in asked:
            if not statement["sql"].startswith("SELECT"):
                continue
            plan = explain_sql(statement["sql"], connection)
            assert not plan.scanned & LARGE, (path, query, statement["sql"], plan.text)
            if any(table in statement["sql"] for table in ("audit_", "users_user")):
                assert not sorts_all(plan), (path, query, statement["sql"], plan.text)
