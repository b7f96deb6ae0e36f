"""A33: whoever asks for something about many people may no more than for each of them, and the log tells of each."""

import json
from uuid import UUID, uuid4

import pytest

from populace.api import authentication
from populace.audit.models import Event
from populace.bulk import bulk_actions
from populace.bulk.models import BulkTarget, Job
from populace.groups.models import RoleAssignment
from populace.users.models import User
from tests.support.bulk import errors, outcome, work

pytestmark = pytest.mark.django_db

BULK = "/api/v1/bulk-actions"
PEOPLE, BEYOND = 1_000, (0, 417, 999)


@pytest.fixture
def people(db):
    """1,000 people."""
    rows = [User(username=f"p{n}", username_normal=f"p{n}") for n in range(PEOPLE)]
    return [str(user.id) for user in User._base_manager.bulk_create(rows, batch_size=500)]


@pytest.fixture
def mixed(people, give_role):
    """The same people, three of whom may do what a manager may not."""
    for place in BEYOND:
        give_role(UUID(people[place]), "owner")
    return people


@pytest.fixture
def manager(client_of, token, make_user):
    """A client of somebody who may change people, but not owners; `.id` is theirs."""
    person = make_user()
    made = client_of(token("admin", owner=person["id"], role="manager"))
    made.id = UUID(person["id"])
    return made


def events():
    return Event.objects.filter(action="user.deactivated")


def active(ids):
    return User.objects.filter(pk__in=ids, is_active=True).count()


def demote(client):
    """Take the roles of the client's owner from them, as the verb would have it."""
    RoleAssignment._base_manager.filter(user_id=client.id).delete()
    authentication._kept.clear()


def test_a33_three_in_a_thousand_and_all_are_refused(manager, mixed):
    """Guard: populace/bulk/bulk_actions.py:_check_all (Beyond, with the places)."""
    response = manager.post(BULK, {"action": "deactivate", "ids": mixed})
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert [fault["pointer"] for fault in response.json()["errors"]] == [f"/ids/{place}" for place in BEYOND]
    assert (Job.objects.count(), BulkTarget.objects.count(), events().count(), active(mixed)) == (0, 0, 0, PEOPLE)


def test_a33_partial_does_exactly_the_others(manager, mixed):
    """Guards: populace/users/many.py:locked (`beyond`), populace/groups/guards.py:held_beyond."""
    response = manager.post(BULK, {"action": "deactivate", "ids": mixed, "partial": True})
    assert response.status_code == 202
    job = response.json()
    work(UUID(job["id"]))
    assert outcome(job["id"]) == ("succeeded", "", {"changed": 997, "already": 0, "refused": 3})
    assert errors(job["id"]) == [(place, "forbidden", mixed[place]) for place in BEYOND]
    assert (active(mixed), active([mixed[place] for place in BEYOND])) == (3, 3)
    assert {str(one) for one in events().values_list("subject_id", flat=True)} == set(mixed) - {
        mixed[place] for place in BEYOND
    }
    assert events().count() == 997
    assert set(events().values_list("actor", flat=True)) == {manager.id}


def test_a33_who_gains_rights_meanwhile_stops_it(manager, people, give_role):
    """Guard: populace/bulk/bulk_actions.py:_do_some (Forbidden unless `partial`): rights count when it runs."""
    job = manager.post(BULK, {"action": "deactivate", "ids": people}).json()
    give_role(UUID(max(people)), "owner")
    work(UUID(job["id"]))
    assert outcome(job["id"])[:2] == ("failed", "forbidden")
    assert 0 < active(people) < PEOPLE  # the first chunk is done, nothing of the last
    assert events().count() == PEOPLE - active(people)


def test_a33_who_is_demoted_in_between_does_no_more(manager, people):
    """Guard: populace/bulk/running.py:Running._look; populace/bulk/bulk_actions.py:_do_some (`may`)."""
    job = manager.post(BULK, {"action": "deactivate", "ids": people}).json()
    chunks = iter(range(10))

    def stopping():
        if next(chunks) == 1:
            demote(manager)
        return False

    work(UUID(job["id"]), stopping=stopping)
    assert outcome(job["id"])[:2] == ("failed", "forbidden")
    assert active(people) == PEOPLE - Job.objects.get().done
    assert 0 < Job.objects.get().done < PEOPLE


def test_a33_who_only_may_look_does_no_more(manager, people, give_role):
    """Guard: populace/bulk/bulk_actions.py:_do_some (`may`): the kind's own permission is to see people."""
    job = manager.post(BULK, {"action": "deactivate", "ids": people}).json()
    demote(manager)
    give_role(manager.id, "viewer")
    work(UUID(job["id"]))
    assert (outcome(job["id"])[:2], active(people)) == (("failed", "forbidden"), PEOPLE)


@pytest.mark.parametrize("body", [{"filter": {}}, {"ids": [str(uuid4())]}])
def test_a33_who_may_only_look_asks_for_nothing(client_of, token, people, body):
    """Guard: populace/bulk/api.py:BulkActions.post (`require`)."""
    viewer = client_of(token("admin", role="viewer"))
    narrow = client_of(token("users:read", "groups:write", role="manager"))
    for action in ("deactivate", "activate", "erase", "update"):
        values = {"values": {"locale": "de"}} if action == "update" else {}
        for preview in (False, True):
            asked = {"action": action, "preview": preview, **body, **values}
            assert viewer.post(BULK, asked).json()["code"] == "forbidden"
            assert narrow.post(BULK, asked).json()["code"] == "scope"
    assert Job.objects.count() == 0


def test_a33_a_filter_that_holds_somebody_beyond_is_refused_whole(manager, mixed):
    """Guard: populace/bulk/bulk_actions.py:_check_all (of a filter)."""
    response = manager.post(BULK, {"action": "deactivate", "filter": {"is_active": True}, "confirm": PEOPLE + 2})
    assert response.json()["code"] == "not_confirmed"  # nor does it tell of rights before
    response = manager.post(BULK, {"action": "deactivate", "filter": {"is_active": True}, "confirm": PEOPLE + 1})
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert response.json()["detail"].startswith("3 of these people")
    assert Job.objects.count() == 0


def test_a33_nobody_comes_into_a_group_that_may_more(manager, people, client):
    """Guard: populace/groups/many.py:move (locked_group)."""
    group = client.post("/api/v1/groups", {"name": "Bosses", "roles": ["owner"]}).json()
    asked = {"action": "add_to_group", "group": group["id"], "ids": people[:3], "partial": True}
    job = manager.post(BULK, asked).json()
    work(UUID(job["id"]))
    assert outcome(job["id"])[:2] == ("failed", "forbidden")
    assert json.loads(client.get(f"/api/v1/groups/{group['id']}/members").content)["results"] == []


def test_a33_the_last_owner_stays(client, make_user, give_role):
    """Guards: populace/bulk/bulk_actions.py:act (`oneself`, LastOwner)."""
    owner, other = UUID(client.get("/api/v1/tokens").json()["results"][0]["owner"]), make_user()["id"]
    give_role(UUID(other), "owner")
    job = client.post(BULK, {"action": "deactivate", "ids": [str(owner), other]}).json()
    work(UUID(job["id"]))
    assert outcome(job["id"])[2] == {"changed": 1, "already": 0, "refused": 1}
    assert errors(job["id"]) == [(0, "oneself", str(owner))]
    assert list(User.objects.filter(is_active=True).values_list("pk", flat=True)) == [owner]


def test_a33_the_command_line_leaves_an_owner_too(make_user, give_role):
    """Guard: populace/bulk/bulk_actions.py:act (LastOwner: one stays, the others go)."""
    from populace.audit.actors import SYSTEM
    from populace.bulk.chosen import chosen_of

    ids = [make_user()["id"] for _ in range(5)]
    for one in ids[1:4]:
        give_role(UUID(one), "owner")
    job = bulk_actions.ask(chosen_of("erase", ids=ids), by=SYSTEM)
    work(job)
    assert outcome(job)[2] == {"changed": 4, "already": 0, "refused": 1}
    assert [code for _, code, _ in errors(job)] == ["last_owner"]
    assert User.objects.count() == 1
