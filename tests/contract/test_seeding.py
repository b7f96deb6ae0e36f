"""Made-up people in bulk are the very rows that the verb for one person would have written."""

import time
from datetime import datetime
from uuid import UUID

import pytest

from populace.audit.dispatch import dispatch
from populace.audit.models import Counter, Event, Feed, Outbox
from populace.cli.demo import CAST
from populace.infra.tasks.models import TaskRow
from populace.users.actions import create_user
from populace.users.errors import IdentifierTaken
from populace.users.models import Identifier, User
from populace.users.seeding import Cast, Sample, batch_size, seed_users

pytestmark = pytest.mark.django_db

SIZE = 250  # every group's turn comes 25 times: as often as the largest has samples


def seed(numbers, actor):
    for start in numbers[:: batch_size()]:
        seed_users(CAST, range(start, min(start + batch_size(), numbers.stop)), by=actor)


def rows_of(username):
    """Every column of every row about a person; ids and times, which no two share, by what they stand for."""
    user = User.objects.get(username=username)
    event = Event.objects.get(subject_id=user.id)
    stands_for = {user.id: "person", user.date_joined: "when", event.id: "event"}
    claims = Identifier.objects.filter(user_id=user.id).order_by("key")
    rows = [(row, field) for row in (user, *claims, event) for field in row._meta.concrete_fields]
    rows += [(Outbox.objects.get(subject_id=user.id), field) for field in Outbox._meta.concrete_fields[1:]]
    values = [(type(row).__name__, field.attname, getattr(row, field.attname)) for row, field in rows]
    return [(*name, stands_for.get(value) if isinstance(value, UUID | datetime) else value) for *name, value in values]


def forget(username):
    user = User.objects.get(username=username)
    for model, condition in ((Identifier, {"user_id": user.id}), (User, {"id": user.id})):
        model._base_manager.filter(**condition).delete()
    for model in (Event, Outbox):
        model._base_manager.filter(subject_id=user.id).delete()


def test_a_seeded_person_is_row_by_row_the_one_that_the_verb_makes(actor):
    seed(range(7, 7 + SIZE), actor)
    for number in range(7, 7 + SIZE, 7):  # 7 and 10 groups: every group
        values = CAST.person(number)
        seeded = rows_of(values["username"])
        forget(values["username"])
        create_user(by=actor, values=values, quiet=True)
        assert seeded == rows_of(values["username"])


def test_ids_are_of_version_7_and_times_differ_in_the_order_of_the_numbers(actor):
    began = time.time_ns() // 1_000_000
    seed(range(SIZE), actor)
    people = list(User.objects.order_by("id"))
    assert [person.username for person in people] == [CAST.person(number)["username"] for number in range(SIZE)]
    assert {(person.id.version, person.id.variant[:8]) for person in people} == {(7, "specifie")}
    assert 0 <= (people[0].id.int >> 80) - began < 60_000
    assert len({person.date_joined for person in people}) == SIZE
    assert [person.date_joined for person in people] == sorted(person.date_joined for person in people)
    assert len(set(Event.objects.values_list("id", flat=True))) == SIZE


@pytest.mark.django_db(transaction=True)
def test_a_number_in_use_leaves_nothing_of_its_batch(actor, make_user):
    make_user(**CAST.person(20))
    with pytest.raises(IdentifierTaken):
        seed_users(CAST, range(15, 25), by=actor)
    assert User.objects.count() == 1


def test_what_would_not_look_like_itself_is_no_cast():
    good = Sample("en", "Europe/London", "Ann", "Lee", "ann.lee")
    with pytest.raises(ValueError, match="letters must be"):
        Cast(((good._replace(letters="аnn"),),), ("example.org",))
    with pytest.raises(ValueError, match="nothing may be empty"):
        Cast(((good._replace(last_name=""),),), ("example.org",))
    with pytest.raises(ValueError, match="domains must be"):
        Cast(((good,),), ("EXAMPLE.org",))


def test_a_batch_of_quiet_events_is_moved_whole_and_in_order(actor):
    seed(range(1200), actor)
    ids = list(Outbox.objects.order_by("id").values_list("event_id", flat=True))
    before = Counter.objects.get(name="feed").value
    moved = []
    while count := dispatch():
        moved.append(count)
    assert sum(moved) == 1200
    feed = list(Feed.objects.filter(seq__gt=before).order_by("seq"))
    assert [row.seq for row in feed] == list(range(before + 1, before + 1201))
    assert [row.event_id for row in feed] == ids
    assert Counter.objects.get(name="feed").value == before + 1200
    events = {event.id: event for event in Event.objects.all()}
    assert all((row.subject_id, row.at) == (events[row.event_id].subject_id, events[row.event_id].at) for row in feed)
    assert not TaskRow.objects.exists()


def test_a_loud_event_among_quiet_ones_has_its_consequence_and_its_place(actor):
    seed(range(600), actor)
    create_user(by=actor, values={"email": "loud@example.org"})
    seed(range(600, 1200), actor)
    ids = list(Outbox.objects.order_by("id").values_list("event_id", flat=True))
    while dispatch():
        pass
    assert list(Feed.objects.order_by("seq").values_list("event_id", flat=True))[-1201:] == ids
    assert TaskRow.objects.count() == 1
