"""What a bulk action did, taken back: of those whom it changed, whoever is still as it left them."""

from uuid import UUID

import pytest

from populace.audit.actors import SYSTEM
from populace.audit.models import Event
from populace.bulk import bulk_actions, undo
from populace.bulk.models import BulkTarget, Job
from populace.groups.models import Membership, RoleAssignment
from populace.users.actions import erase_user
from populace.users.models import User
from tests.support.bulk import AT, BULK, JOBS, errors, outcome, work
from tests.support.bulk import done as both

pytestmark = pytest.mark.django_db


@pytest.fixture
def crowd(make_user):
    return [make_user(email=f"p{n}@{AT}", locale="it")["id"] for n in range(7)]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for name in ("CHUNK", "CHUNK_SQLITE", "CHUNK_ERASED"):
        monkeypatch.setattr(bulk_actions, name, 3)


def done(client, *asked, **body):
    """Have something done and return the job's id."""
    return both(client, *asked, **body)[0]


def undone(client, job):
    """Have it undone, and return (the job that did, its numbers)."""
    response = client.post(f"{JOBS}/{job}/undo")
    assert response.status_code == 202, response.content
    assert response.json()["kind"] == "bulk_undo"
    work(UUID(response.json()["id"]))
    state, code, result = outcome(response.json()["id"])
    assert (state, code) == ("succeeded", "")
    return response.json()["id"], result


def active():
    return {str(one) for one in User.objects.filter(is_active=True).values_list("pk", flat=True)}


def test_those_whom_it_changed_are_changed_back_and_nobody_else(client, crowd):
    """Guard: populace/bulk/undo.py:_undo_some (`changed_at`)."""
    client.post(f"/api/v1/users/{crowd[2]}/deactivate")
    job = done(client)
    _, result = undone(client, job)
    assert result == {"changed": 6, "already": 0, "refused": 0}
    assert set(crowd) - active() == {crowd[2]}
    assert Event.objects.filter(action="user.activated").count() == 6


def test_people_named_by_ids_are_changed_back(client, crowd):
    """Guard: populace/bulk/undo.py:prepared (asks no filter whom it is about)."""
    job = client.post(BULK, {"action": "deactivate", "ids": crowd[:3]}).json()["id"]
    work(UUID(job))
    _, result = undone(client, job)
    assert result["changed"] == 3
    assert set(crowd) <= active()


def test_whoever_was_changed_since_stays_and_is_told(client, crowd):
    """Guard: populace/bulk/undo.py:History.changed_since."""
    job = done(client)
    client.post(f"/api/v1/users/{crowd[1]}/activate")
    client.post(f"/api/v1/users/{crowd[1]}/deactivate")  # somebody's own decision
    client.patch(f"/api/v1/users/{crowd[3]}", {"first_name": "Ada"})  # which is none about this
    erase_user(UUID(crowd[5]), by=SYSTEM)
    undoing, result = undone(client, job)
    assert result == {"changed": 5, "already": 0, "refused": 2}
    told = {one: code for _, code, one in errors(undoing)}
    assert told == {crowd[1]: "changed_since", crowd[5]: "not_found"}
    assert set(crowd) & active() == {crowd[n] for n in (0, 2, 3, 4, 6)}


def test_undone_twice_it_does_nothing_the_second_time(client, crowd):
    job = done(client)
    undone(client, job)
    assert undone(client, job)[1] == {"changed": 0, "already": 0, "refused": 7}


def test_a_cancelled_job_is_undone_as_far_as_it_came(client, crowd):
    job = client.post(BULK, {"action": "deactivate", "filter": {"domain": AT}}).json()["id"]
    chunks = iter(range(9))

    def stopping():
        if next(chunks) == 1:
            client.post(f"{JOBS}/{job}/cancel")
        return False

    work(UUID(job), stopping=stopping)
    assert outcome(job)[0] == "cancelled"
    assert undone(client, job)[1] == {"changed": 3, "already": 0, "refused": 0}
    assert set(crowd) <= active()


def test_values_come_back_as_each_was(client, crowd):
    """Guard: populace/bulk/undo.py:History.before."""
    client.patch(f"/api/v1/users/{crowd[0]}", {"locale": "fr", "attributes": {"team": "red", "n": 1}})
    job = done(client, "update", values={"locale": "de", "attributes": {"team": "blue"}})
    client.patch(f"/api/v1/users/{crowd[1]}", {"locale": "es"})
    client.patch(f"/api/v1/users/{crowd[2]}", {"last_name": "Byron"})
    _, result = undone(client, job)
    assert result == {"changed": 6, "already": 0, "refused": 1}
    shown = [client.get(f"/api/v1/users/{one}").json() for one in crowd]
    assert [one["locale"] for one in shown] == ["fr", "es", "it", "it", "it", "it", "it"]
    assert [one["attributes"] for one in shown][:3] == [{"team": "red", "n": 1}, {"team": "blue"}, {}]
    assert shown[2]["last_name"] == "Byron"


@pytest.mark.parametrize("action", ["add_to_group", "remove_from_group"])
def test_memberships_come_back(client, crowd, action):
    """Guard: populace/bulk/undo.py:History._concerns (another group's events do not count)."""
    group, other = (client.post("/api/v1/groups", {"name": name}).json()["id"] for name in ("Crowd", "Other"))
    client.post(f"/api/v1/groups/{group}/members", {"add": crowd[:3]})
    before = set(Membership.objects.filter(group_id=group).values_list("user_id", flat=True))
    job = done(client, action, group=group)
    client.post(f"/api/v1/groups/{other}/members", {"add": crowd})
    undone(client, job)
    assert set(Membership.objects.filter(group_id=group).values_list("user_id", flat=True)) == before


def test_an_undo_asks_for_rights_as_any_action(client, client_of, token, crowd, make_user, give_role):
    """Guards: populace/bulk/undo.py:ask (`may`), _undo_some (`may`)."""
    owner = make_user()["id"]
    manager = client_of(token("admin", owner=owner, role="manager"))
    job = done(manager)
    narrow = client_of(token("jobs:write", "jobs:read", "users:read", owner=owner, role=None))
    assert narrow.post(f"{JOBS}/{job}/undo").status_code == 403
    assert client_of(token("admin", role="manager")).post(f"{JOBS}/{job}/undo").status_code == 404
    undoing = manager.post(f"{JOBS}/{job}/undo").json()["id"]
    RoleAssignment._base_manager.filter(user_id=owner).delete()
    give_role(UUID(owner), "viewer")
    work(UUID(undoing))
    assert outcome(undoing)[:2] == ("failed", "forbidden")
    assert not set(crowd) & active()


def test_somebody_who_may_more_by_now_is_left_out(client_of, token, crowd, give_role):
    manager = client_of(token("admin", role="manager"))
    job = done(manager)
    give_role(UUID(crowd[0]), "owner")
    undoing, result = undone(manager, job)
    assert (result["changed"], [told[1:] for told in errors(undoing)]) == (6, [("forbidden", crowd[0])])


def test_what_cannot_be_undone_says_so(client, crowd):
    """Guard: populace/bulk/undo.py:ask (NotUndoable)."""
    waiting = client.post(BULK, {"action": "deactivate", "filter": {"domain": AT}}).json()["id"]
    erasure = done(client, "erase")
    undoing, _ = undone(client, done(client, "activate", filter={}))
    for job, words in ((waiting, "not ended"), (erasure, "cannot"), (undoing, "cannot")):
        answer = client.post(f"{JOBS}/{job}/undo")
        assert (answer.status_code, answer.json()["code"]) == (409, "not_undoable")
        assert words in answer.json()["detail"]
        assert not undo.is_undoable(Job.objects.get(pk=job))


def test_where_the_job_is_forgotten_meanwhile_it_ends(client, crowd):
    job = done(client)
    undoing = client.post(f"{JOBS}/{job}/undo").json()["id"]
    BulkTarget._base_manager.filter(job_id=job).delete()
    work(UUID(undoing))
    assert outcome(undoing)[:2] == ("failed", "not_found")


def test_sent_twice_with_one_key_it_is_undone_once(client, crowd):
    job, key = done(client), {"Idempotency-Key": "back"}
    first, second = (client.post(f"{JOBS}/{job}/undo", headers=key) for _ in range(2))
    assert first.json()["id"] == second.json()["id"] != job
    assert Job.objects.filter(kind="bulk_undo").count() == 1
