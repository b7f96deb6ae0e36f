"""One action on many people: settled, looked at, confirmed, done, told."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from populace.audit.actors import SYSTEM
from populace.audit.models import Event, Outbox
from populace.bulk import bulk_actions
from populace.bulk.actions import cancel_job
from populace.bulk.expiry import delete_expired
from populace.bulk.models import BulkTarget, Job, JobError
from populace.credentials.models import ApiToken
from populace.groups.models import Group, Membership
from populace.infra.tasks.current import Again
from populace.logins.models import Session
from populace.users.actions import erase_user
from populace.users.attributes_actions import replace_schema
from populace.users.models import AttributeSchema, AttributeValue, Identifier, User
from tests.support.bulk import AT, BULK, JOBS, ask, done, errors, inactive, outcome, targets, told, work

pytestmark = pytest.mark.django_db


def index(properties):
    """Have attributes indexed, and what people have of them found."""
    from populace.users import attributes_index, attributes_kept
    from populace.users.tasks import index_attributes

    replace_schema({"type": "object", "properties": properties}, by=SYSTEM)
    stored = attributes_index.newest()
    old = stored.stored_at - attributes_index.SETTLED - timedelta(seconds=1)
    AttributeSchema._base_manager.filter(version=stored.version).update(stored_at=old)
    index_attributes.call("event", "subject")
    attributes_kept.forget()


def test_everybody_who_matches_is_changed_and_the_log_tells_of_each(client, crowd, make_user):
    make_user(email="other@example.org")
    job, came = done(client)
    assert came == ("succeeded", "", {"changed": 7, "already": 0, "refused": 0})
    assert inactive() == told("user.deactivated") == set(crowd)
    shown = client.get(f"/api/v1/users/{crowd[0]}").json()
    assert (shown["is_active"], shown["version"]) == (False, 2)
    event = Event.objects.get(subject_id=crowd[0], action="user.deactivated")
    assert event.details["changes"] == {"is_active": {"old": True, "new": False}}
    assert event.at == User.objects.get(pk=crowd[0]).updated_at
    assert Outbox.objects.filter(action="user.deactivated", quiet=False).count() == 7
    assert client.get(f"{JOBS}/{job}").json()["progress"] == {"done": 7, "total": 7}


def test_who_is_so_already_has_no_event(client, crowd):
    client.post(f"/api/v1/users/{crowd[2]}/deactivate")
    assert done(client)[1][2] == {"changed": 6, "already": 1, "refused": 0}
    assert Event.objects.filter(subject_id=crowd[2], action="user.deactivated").count() == 1


def test_a_filter_is_settled_when_it_is_asked(client, crowd, make_user):
    """Guard: populace/bulk/bulk_actions.py:_stored (the people are stored with the job)."""
    job = ask(client)
    late = make_user(email=f"late@{AT}")["id"]
    client.patch(f"/api/v1/users/{crowd[0]}", {"email": "gone@example.org"})
    work(UUID(job["id"]))
    assert inactive() == set(crowd)
    assert late not in inactive()


def test_the_rest_is_settled_before_anybody_is_changed(client, crowd, small, make_user):
    """Guards: populace/bulk/bulk_actions.py:run, _settle_some; populace/bulk/targets.py:some_of (`joined_by`)."""
    job = ask(client, confirm=7)
    assert (job["progress"]["total"], BulkTarget.objects.count()) == (None, 4)
    make_user(email=f"late@{AT}")
    seen = []

    def stopping():
        seen.append((BulkTarget.objects.count(), len(inactive())))
        return False

    work(UUID(job["id"]), stopping=stopping)
    assert [count for count, changed in seen if changed] == [7, 7]
    assert inactive() == set(crowd)
    assert outcome(job["id"])[2] == {"changed": 7, "already": 0, "refused": 0}


def test_more_people_than_were_confirmed_are_left_alone(client, crowd, small, make_user):
    """Guard: populace/bulk/bulk_actions.py:_settle_some (`most`)."""
    client.post(f"/api/v1/users/{crowd[6]}/deactivate")
    client.post(f"/api/v1/users/{crowd[5]}/deactivate")
    job = ask(client, filter={"domain": AT, "is_active": True})
    for one in crowd[5:]:
        client.post(f"/api/v1/users/{one}/activate")
    late = make_user(email=f"x@{AT}")["id"]
    User._base_manager.filter(pk=late).update(date_joined=now() - timedelta(days=1))  # as an import of theirs might say
    job = ask(client, filter={"domain": AT, "is_active": True}, confirm=8)
    User._base_manager.filter(pk__in=[make_user(email=f"y@{AT}")["id"]]).update(date_joined=now() - timedelta(days=9))
    work(UUID(job["id"]))
    assert outcome(job["id"])[:2] == ("failed", "not_confirmed")
    assert "9 people by now; 8 were confirmed" in Job.objects.get(pk=job["id"]).detail
    assert inactive() == set()


@pytest.mark.parametrize(
    "filter",
    [
        {"group": "GROUP"},
        {"attributes.n": 3},
        {"q": "p3"},
        {"username": "NAME"},
        {"updated_after": "2020-01-01"},
        {"joined_after": "2020-01-01", "domain": AT},
        {},
    ],
    ids=lambda filter: " ".join(filter) or "everybody",
)
def test_it_takes_every_filter_that_is_listed(client, crowd, filter, actor):
    """Whom the list shows is whom it is about."""
    if "attributes.n" in filter:
        index({"n": {"type": "number", "indexed": True}})
    group = client.post("/api/v1/groups", {"name": "Crowd"}).json()["id"]
    client.post(f"/api/v1/groups/{group}/members", {"add": crowd[:3]})
    name = client.get(f"/api/v1/users/{crowd[4]}").json()["username"]
    given = {key: {"GROUP": group, "NAME": name}.get(value, value) for key, value in filter.items()}
    listed = client.get("/api/v1/users", {**given, "limit": 100}).json()["results"]
    job = ask(client, "update", values={"locale": "de"}, filter=given)
    assert targets(Job.objects.get(pk=job["id"])) == {person["id"] for person in listed} != set()


def test_a_chunk_takes_as_many_statements_however_many_people(client, make_user, monkeypatch):
    """Guard: populace/users/many.py (set-based)."""

    def statements(action, many, **body):
        people = [make_user(email=f"{action}{many}x{n}@{AT}")["id"] for n in range(many)]
        job = ask(client, action, ids=people, filter=None, **body)
        with CaptureQueriesContext(connection) as seen:
            work(UUID(job["id"]))
        assert outcome(job["id"])[2]["changed"] == many
        return len(seen)

    group = client.post("/api/v1/groups", {"name": "Crowd"}).json()["id"]
    for action, body in (
        ("deactivate", {}),
        ("update", {"values": {"locale": "de", "attributes": {"a": 1}}}),
        ("add_to_group", {"group": group}),
        ("erase", {}),
    ):
        assert statements(action, 40, **body) == statements(action, 4, **body), action


def test_a_killed_chunk_leaves_nothing_and_is_done_again(client, crowd, small, monkeypatch):
    """Guard: populace/bulk/bulk_actions.py:_do_some (change, events and progress are one transaction)."""
    job = ask(client, confirm=7)["id"]
    record = bulk_actions.told
    calls = iter(range(10))

    def trip(*args):
        if next(calls) == 1:
            raise RuntimeError
        record(*args)

    monkeypatch.setattr(bulk_actions, "told", trip)
    with pytest.raises(RuntimeError):
        work(UUID(job))
    assert len(inactive()) == len(told("user.deactivated")) == Job.objects.get().done == 3
    work(UUID(job))
    assert outcome(job) == ("succeeded", "", {"changed": 7, "already": 0, "refused": 0})
    assert Event.objects.filter(action="user.deactivated").count() == 7


def test_it_rests_and_goes_on_where_it_was(client, crowd, small):
    job, chunks = ask(client, confirm=7)["id"], iter([False, False, False, True])
    with pytest.raises(Again):
        work(UUID(job), stopping=lambda: next(chunks))
    before = len(inactive())
    work(UUID(job))
    assert (before, len(inactive()), outcome(job)[0]) == (3, 7, "succeeded")


def test_it_is_cancelled_between_chunks(client, crowd, small):
    job, chunks = ask(client, confirm=7)["id"], iter(range(9))

    def stopping():
        if next(chunks) == 3:
            cancel_job(UUID(job), by=SYSTEM)
        return False

    work(UUID(job), stopping=stopping)
    assert (outcome(job)[0], len(inactive())) == ("cancelled", 3)


def test_who_is_gone_by_then_is_told(client, crowd, actor):
    job = ask(client, ids=crowd, filter=None)["id"]
    erase_user(UUID(crowd[4]), by=SYSTEM)
    work(UUID(job))
    assert outcome(job)[2] == {"changed": 6, "already": 0, "refused": 1}
    assert errors(job) == [(4, "not_found", crowd[4])]
    lines = b"".join(client.get(f"{JOBS}/{job}/errors").streaming_content).decode().splitlines()
    assert lines[0] == "row,code,reason,sent"
    assert lines[1].startswith("4,not_found,")


def test_ids_that_nobody_has_are_refused_with_their_places(client, crowd):
    nobody = str(uuid4())
    response = client.post(BULK, {"action": "erase", "ids": [*crowd[:2], nobody, crowd[3], nobody]})
    assert response.status_code == 400
    assert [fault["pointer"] for fault in response.json()["errors"]] == ["/ids/2", "/ids/4"]


def test_an_id_given_twice_counts_once_at_its_first_place(client, crowd, make_user):
    ids = [crowd[0], crowd[0], crowd[1]]
    job = ask(client, ids=ids, filter=None)
    assert job["progress"]["total"] == 2
    erase_user(UUID(crowd[1]), by=SYSTEM)
    work(UUID(job["id"]))
    assert errors(job["id"]) == [(2, "not_found", crowd[1])]


def test_deactivation_ends_sessions_of_those_it_shuts_out_alone(client_of, token, crowd, give_role):
    """Guard: populace/users/many.py:set_active (`going` shrinks)."""
    give_role(UUID(crowd[0]), "owner")
    rows = [Session(digest=one, user_id=one, data="", expires_at=now()) for one in crowd]
    Session._base_manager.bulk_create(rows)
    done(client_of(token("admin", role="manager")), partial=True)
    assert [str(one) for one in Session.objects.values_list("user_id", flat=True)] == [crowd[0]]


def test_whoever_is_erased_leaves_nothing(client, crowd, token):
    token("users:read", owner=crowd[0], role=None)
    group = client.post("/api/v1/groups", {"name": "Crowd"}).json()["id"]
    client.post(f"/api/v1/groups/{group}/members", {"add": crowd})
    _, came = done(client, "erase")
    assert came[2] == {"changed": 7, "already": 0, "refused": 0}
    for model in (Membership, Identifier, AttributeValue, ApiToken):
        assert not model.objects.filter(user_id__in=crowd).exists(), model
    assert not User.objects.filter(pk__in=crowd).exists()
    assert told("user.erased") == set(crowd)
    earlier = Event.objects.filter(subject_id__in=crowd).exclude(action="user.erased")
    assert {event.details for event in earlier} == {None}
    assert client.post("/api/v1/users", {"email": f"p1@{AT}"}).status_code == 201


def test_an_update_is_as_of_each_person(client, crowd, actor):
    """Attributes are merged, found by their index, and held to the schema."""
    index({"team": {"type": "string", "indexed": True, "maxLength": 9}})
    _, came = done(client, "update", values={"locale": "de", "timezone": "Europe/Vienna", "attributes": {"team": "x"}})
    assert came[2] == {"changed": 7, "already": 0, "refused": 0}
    shown = client.get(f"/api/v1/users/{crowd[3]}").json()
    assert (shown["locale"], shown["timezone"], shown["attributes"]) == ("de", "Europe/Vienna", {"n": 3, "team": "x"})
    assert AttributeValue.objects.filter(name="team", value__contains="x").count() == 7
    event = Event.objects.get(subject_id=crowd[3], action="user.updated")
    assert event.details["changes"]["locale"] == {"old": "", "new": "de"}
    job, came = done(client, "update", values={"attributes": {"team": "much too long"}})
    assert came[2] == {"changed": 0, "already": 0, "refused": 7}
    assert {code for _, code, _ in errors(job)} == {"invalid"}


def test_groups_are_filled_and_emptied(client, crowd):
    group = client.post("/api/v1/groups", {"name": "Crowd"}).json()["id"]
    client.post(f"/api/v1/groups/{group}/members", {"add": crowd[:2]})
    assert done(client, "add_to_group", group=group)[1][2] == {"changed": 5, "already": 2, "refused": 0}
    assert Membership.objects.filter(group_id=group).count() == 7
    event = Event.objects.get(subject_id=crowd[5], action="group.member_added")
    assert event.details["changes"]["group"] == {"old": None, "new": {"id": group, "name": "Crowd"}}
    _, came = done(client, "remove_from_group", group=group, filter={"group": group})
    assert came[2] == {"changed": 7, "already": 0, "refused": 0}
    assert not Membership.objects.filter(group_id=group).exists()


def test_a_group_that_is_gone_by_then_ends_it(client, crowd):
    group = client.post("/api/v1/groups", {"name": "Crowd"}).json()["id"]
    job = ask(client, "add_to_group", group=group)["id"]
    Group._base_manager.filter(pk=group).delete()
    work(UUID(job))
    assert outcome(job)[:2] == ("failed", "not_found")


def test_sent_twice_with_one_key_it_is_one_job(client, crowd):
    """Guard: populace/api/idempotency.py:_first (202 has a subject), populace/bulk/api.py:BulkActions.repeat."""
    body, key = {"action": "deactivate", "filter": {"domain": AT}}, {"Idempotency-Key": "once"}
    first, second = (client.post(BULK, body, headers=key) for _ in range(2))
    assert (first.status_code, second.status_code, Job.objects.count()) == (202, 202, 1)
    assert first.json()["id"] == second.json()["id"]
    assert second["Idempotency-Replayed"] == "true"
    shown = [client.post(BULK, body | {"preview": True}, headers={"Idempotency-Key": "look"}) for _ in range(2)]
    assert [(one.status_code, one.json()["count"]) for one in shown] == [(200, 7)] * 2


def test_whom_it_was_about_is_forgotten_with_it(client, crowd):
    job, _ = done(client)
    other = ask(client, "activate")["id"]
    Job._base_manager.filter(pk=job).update(expires_at=now())
    delete_expired()
    assert set(BulkTarget.objects.values_list("job_id", flat=True)) == {UUID(other)}
    assert not JobError.objects.filter(job_id=job).exists()
