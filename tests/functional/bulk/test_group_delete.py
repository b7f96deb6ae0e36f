"""A large group is closed at once, and removed by a job."""

import json
from uuid import UUID

import pytest

from populace.audit.actors import SYSTEM
from populace.audit.models import Event
from populace.bulk import group_delete
from populace.bulk.actions import cancel_job
from populace.bulk.models import Job
from populace.groups.models import Group, GroupClosure, Membership, RoleAssignment
from populace.groups.reads import permissions_of
from populace.infra.tasks.current import Again
from tests.support.bulk import outcome, work

pytestmark = pytest.mark.django_db

GROUPS = "/api/v1/groups"


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr("populace.groups.actions.MEMBERS_DELETED_MAX", 4)
    monkeypatch.setattr(group_delete, "CHUNK", 3)


@pytest.fixture
def people(make_user):
    return [make_user()["id"] for _ in range(7)]


@pytest.fixture
def group(client, people):
    """A group of seven with a role, and one below it."""
    made = client.post(GROUPS, {"name": "Crowd", "roles": ["viewer"]}).json()["id"]
    client.post(f"{GROUPS}/{made}/members", {"add": people})
    return made


def deleted(client, group, **options):
    response = client.delete(f"{GROUPS}/{group}", **options)
    assert response.status_code == 202, response.content
    return response.json()


def test_its_members_are_removed_and_then_the_group(client, group, people):
    job = deleted(client, group)
    assert (job["kind"], job["progress"]) == ("group_delete", {"done": 0, "total": 7})
    work(UUID(job["id"]))
    assert outcome(job["id"]) == ("succeeded", "", {"members": 7})
    assert not Membership.objects.exists()
    assert not Group.objects.filter(pk=group).exists()
    assert json.loads(client.get(f"/api/v1/users/{people[0]}").content)["groups"] == []
    (event,) = Event.objects.filter(subject_id=group, action="group.deleted")
    assert event.details["changes"]["members"] == {"old": 7, "new": 0}
    assert not Event.objects.filter(action="group.member_removed").exists()


def test_a_small_one_is_gone_at_once(client, people):
    made = client.post(GROUPS, {"name": "Few"}).json()["id"]
    client.post(f"{GROUPS}/{made}/members", {"add": people[:4]})
    assert client.delete(f"{GROUPS}/{made}").status_code == 204
    assert not Group.objects.filter(pk=made).exists()


def test_nobody_has_anything_by_it_from_then_on(client, group, people, make_user):
    """Guards: populace/groups/actions.py:close_group, _end, locked_group (`closed`), populace/groups/reads.py:GROUP."""
    below = client.post(GROUPS, {"name": "Below", "parents": [{"id": group}]}).json()["id"]
    late = make_user()["id"]
    client.post(f"{GROUPS}/{below}/members", {"add": [late]})
    assert "users:read" in permissions_of(UUID(people[0])) & permissions_of(UUID(late))
    deleted(client, group)
    assert permissions_of(UUID(people[0])) == permissions_of(UUID(late)) == frozenset()
    assert client.get(f"{GROUPS}/{group}").status_code == client.delete(f"{GROUPS}/{group}").status_code == 404
    assert client.patch(f"{GROUPS}/{group}", {"roles": ["owner"]}).status_code == 404
    assert client.post(f"{GROUPS}/{group}/members", {"add": [late]}).status_code == 404
    assert [one["name"] for one in client.get(GROUPS).json()["results"]] == ["Below"]
    assert client.get(f"{GROUPS}/{below}").json()["parents"] == []
    assert client.post(GROUPS, {"name": "Other", "parents": [{"id": group}]}).status_code == 400
    bulk = {"action": "add_to_group", "group": group, "filter": {}}
    assert client.post("/api/v1/bulk-actions", bulk).json()["errors"][0]["pointer"] == "/group"
    assert client.post(GROUPS, {"name": "crowd"}).status_code == 201  # the name is free
    assert not GroupClosure.objects.filter(group_id=group).exists()


def test_it_is_done_whatever_becomes_of_who_asked(client, group):
    """Guard: populace/bulk/kinds.py:Kind.decided (running.py:Running._look, actions.py:cancel_job)."""
    job = UUID(deleted(client, group)["id"])
    RoleAssignment._base_manager.all().delete()
    assert not cancel_job(job, by=SYSTEM).cancel_asked
    work(job)
    assert (outcome(job)[0], Group.objects.count()) == ("succeeded", 0)


def test_who_rests_goes_on_behind_the_last_chunk(client, group):
    job, chunks = UUID(deleted(client, group)["id"]), iter([False, True])
    with pytest.raises(Again):
        work(job, stopping=lambda: next(chunks))
    assert Membership.objects.count() == 4
    work(job)
    assert outcome(job)[2] == {"members": 7}


def test_what_a_job_has_left_is_taken_up_by_another(client, group):
    """Guard: populace/bulk/group_delete.py:go_on."""
    job = deleted(client, group)["id"]
    group_delete.go_on()
    assert Job.objects.count() == 1
    Job._base_manager.filter(pk=job).update(state=Job.FAILED)
    group_delete.go_on()
    other = Job.objects.exclude(pk=job).get()
    work(other)
    assert (outcome(other)[0], Group.objects.count()) == ("succeeded", 0)


def test_who_may_not_is_refused_and_nothing_is_closed(client, client_of, token, group):
    """Guard: populace/groups/actions.py:close_group (locked_group)."""
    client.patch(f"{GROUPS}/{group}", {"roles": ["owner"]})
    assert client_of(token("admin", role="manager")).delete(f"{GROUPS}/{group}").status_code == 403
    assert client_of(token("groups:read")).delete(f"{GROUPS}/{group}").status_code == 403
    stale = client.delete(f"{GROUPS}/{group}", headers={"If-Match": '"1"'})
    assert (stale.status_code, Job.objects.count()) == (412, 0)
    assert client.get(f"{GROUPS}/{group}").status_code == 200


def test_the_last_owners_group_is_not_closed(client, people):
    """Guard: populace/groups/actions.py:close_group (owner_stays)."""
    made = client.post(GROUPS, {"name": "Bosses", "roles": ["owner"]}).json()["id"]
    client.post(f"{GROUPS}/{made}/members", {"add": people})
    RoleAssignment._base_manager.all().delete()
    from populace.users.errors import LastOwner

    with pytest.raises(LastOwner):
        group_delete.ask(UUID(made), by=SYSTEM)


def test_sent_twice_with_one_key_it_is_one_job(client, group):
    """Guard: populace/groups/api.py:GroupView.repeat."""
    first, second = (deleted(client, group, headers={"Idempotency-Key": "gone"}) for _ in range(2))
    assert (first["id"], Job.objects.count()) == (second["id"], 1)
