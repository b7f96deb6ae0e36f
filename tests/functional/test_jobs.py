"""Jobs: what every kind of them has in common, from asking for one to its being forgotten."""

import signal
from datetime import timedelta
from uuid import UUID, uuid4, uuid5

import pytest
from django.utils.timezone import now

from populace.api import authentication
from populace.audit.actors import Actor
from populace.audit.dispatch import dispatch
from populace.audit.models import Event
from populace.audit.permissions import ALL
from populace.bulk import actions, running
from populace.bulk.actions import KEPT, cancel_job, create_job
from populace.bulk.errors import JobNotFound, TooManyJobs
from populace.bulk.expiry import delete_expired
from populace.bulk.here import Interrupted, cancel_forgotten, resume_here, run_here
from populace.bulk.kinds import KINDS
from populace.bulk.models import Job, JobError, JobFile
from populace.bulk.tasks import enqueue_again, run_job
from populace.groups.models import Role, RoleAssignment
from populace.infra.storage import storage
from populace.infra.tasks.chores import CHORES
from populace.infra.tasks.current import Again
from populace.infra.tasks.models import TaskRow
from populace.users.errors import Forbidden
from tests.support.jobs import COUNTING, Tripped, counting
from tests.support.rounds import step

pytestmark = pytest.mark.django_db

JOBS = "/api/v1/jobs"


@pytest.fixture(autouse=True)
def kind(monkeypatch, settings, tmp_path):
    monkeypatch.setitem(KINDS, "count", COUNTING)
    monkeypatch.setattr(storage(), "root", tmp_path)


@pytest.fixture
def owner(make_user, give_role):
    """Somebody with all rights, as an actor."""
    user_id = UUID(make_user()["id"])
    give_role(user_id, "owner")
    return Actor(user_id, permissions=ALL)


def kept(*, progressed=False):
    """Hold a lease that nobody takes."""


def work(job, **options):
    return running.work(job.id, **{"keep": kept, "stopping": lambda: False} | options)


def actions_of(job):
    return list(Event.objects.filter(subject_id=job.id).order_by("at", "id").values_list("action", flat=True))


def stored(job):
    return Job.objects.get(pk=job.id)


def test_what_is_asked_for_is_done_by_a_worker(owner):
    job = create_job(counting(until=7), by=owner)
    dispatch()
    assert TaskRow.objects.get(name="populace.bulk.tasks.run_job").lane == 2
    step()
    found = stored(job)
    assert (found.state, found.done, found.total, found.result) == ("succeeded", 7, 7, {"counted": 7})
    assert actions_of(job) == ["job.created", "job.succeeded"]
    assert found.expires_at == found.finished_at + timedelta(days=7)


def test_an_old_job_whose_task_was_refused_gets_another_and_one_that_waits_does_not(owner):
    """Guard: populace/bulk/tasks.py:enqueue_again."""
    job = create_job(counting(until=7), by=owner)
    Job._base_manager.update(created_at=now() - timedelta(hours=2))
    enqueue_again()
    assert not TaskRow.objects.exists()  # its event is not dispatched yet
    dispatch()
    enqueue_again()
    assert TaskRow.objects.count() == 1
    TaskRow.objects.update(state=TaskRow.DEAD)
    enqueue_again()
    step()
    assert stored(job).state == "succeeded"


def test_a_chunk_is_stored_whole_or_not_at_all(owner):
    """Guard: populace/bulk/running.py:Running.chunk (one transaction with the progress)."""
    job = create_job(counting(until=7, trip=5, bad=[1, 4]), by=owner)
    with pytest.raises(Tripped):
        work(job)
    found = stored(job)
    assert (found.state, found.done, found.position) == ("running", 3, {"at": 3})
    assert list(JobError.objects.values_list("row", flat=True)) == [1]


def test_it_goes_on_behind_the_last_chunk_and_says_so(owner):
    """Guard: populace/bulk/running.py:_begin (`resumed`)."""
    job = create_job(counting(until=7, trip=5), by=owner)
    with pytest.raises(Tripped):
        work(job)
    Job._base_manager.update(options={"until": 7})
    work(job)
    assert (stored(job).state, stored(job).done) == ("succeeded", 7)
    assert actions_of(job) == ["job.created", "job.resumed", "job.succeeded"]


def test_who_should_rest_goes_on_later_without_a_word(owner):
    job = create_job(counting(until=9), by=owner)
    chunks = iter([False, False, True])
    with pytest.raises(Again):
        work(job, stopping=lambda: next(chunks))
    assert stored(job).done == 6
    work(job)
    assert (stored(job).state, actions_of(job)) == ("succeeded", ["job.created", "job.succeeded"])


def test_of_two_tasks_for_one_job_only_one_commits_a_chunk(owner):
    """Guard: populace/bulk/running.py:Running.chunk (`unchanged`)."""
    job = create_job(counting(until=9), by=owner)
    others = iter([lambda: work(job)])
    with pytest.raises(Again):
        work(job, report=lambda _: next(others)())
    assert (stored(job).state, stored(job).done, stored(job).position) == ("succeeded", 9, {"at": 9})


def test_it_stops_where_it_is_cancelled(owner):
    """Guard: populace/bulk/running.py:Running.look (`cancel_asked`)."""
    job = create_job(counting(until=9), by=owner)
    chunks = iter([False, cancel_job, True])

    def stopping():
        if (next(chunks)) is cancel_job:
            cancel_job(job.id, by=owner)
        return False

    work(job, stopping=stopping)
    assert (stored(job).state, stored(job).done) == ("cancelled", 3)
    assert actions_of(job) == ["job.created", "job.cancel_asked", "job.cancelled"]
    assert work(job) is None


def test_whoever_may_no_more_stops_the_job(owner):
    """Guard: populace/bulk/running.py:Running.look (rights are loaded anew in every chunk)."""
    job = create_job(counting(until=9), by=owner)
    RoleAssignment._base_manager.all().delete()
    work(job)
    assert (stored(job).state, stored(job).code, stored(job).done) == ("failed", "forbidden", 0)


def test_a_job_may_no_more_than_the_token_that_asked(owner):
    """Guard: populace/bulk/running.py:actor_of (within the scopes)."""
    job = create_job(counting(until=1), by=owner, scopes=["users:read"])
    work(job)
    assert stored(job).code == "forbidden"
    with pytest.raises(Forbidden):
        create_job(counting(until=1), by=Actor(owner.id, permissions=frozenset(["users:read"])))


def test_a_refusal_ends_it_with_the_reason(owner):
    job = create_job(counting(until=2, refuse=True), by=owner)
    work(job)
    assert (stored(job).state, stored(job).code, stored(job).detail) == ("failed", "refused", "For no reason.")
    assert stored(job).result is None


def test_somebody_has_so_many_at_a_time(owner, monkeypatch):
    """Guard: populace/bulk/actions.py:create_job (OPEN_MAX)."""
    monkeypatch.setattr(actions, "OPEN_MAX", 2)
    first, _ = (create_job(counting(until=1), by=owner) for _ in range(2))
    with pytest.raises(TooManyJobs):
        create_job(counting(until=1), by=owner)
    work(first)
    create_job(counting(until=1), by=owner)


def test_what_is_over_is_forgotten_with_its_files_and_rows(owner, tmp_path):
    job, other = (create_job(counting(until=3, bad=[1], file=True), by=owner) for _ in range(2))
    work(job)
    work(other)
    Job._base_manager.filter(pk=job.id).update(expires_at=now())
    assert delete_expired() is False
    for model in (JobFile, JobError):
        assert set(model.objects.values_list("job_id", flat=True)) == {other.id}
    assert list(Job.objects.values_list("id", flat=True)) == [other.id]
    assert [place.name for place in (tmp_path / "jobs").iterdir()] == [str(other.id)]


@pytest.fixture
def done(client, owner):
    """A job of the client's own, with a file and a bad row, done."""
    by = Actor(UUID(client.get("/api/v1/tokens").json()["results"][0]["owner"]), permissions=ALL)
    job = create_job(counting(until=4, bad=[2], file=True), by=by)
    work(job)
    return job


def test_a_job_is_shown_to_who_asked_for_it(client, client_of, token, done):
    shown = client.get(f"{JOBS}/{done.id}").json()
    assert (shown["state"], shown["progress"], shown["result"]) == (
        "succeeded",
        {"done": 4, "total": 4},
        {"counted": 4},
    )
    assert client.get(JOBS).json()["results"] == [
        shown | {"result_url": client.get(JOBS).json()["results"][0]["result_url"]}
    ]
    stranger = client_of(token("jobs:read", "jobs:write", "users:write", role="manager"))
    assert stranger.get(f"{JOBS}/{done.id}").status_code == stranger.post(f"{JOBS}/{done.id}/cancel").status_code == 404
    assert stranger.get(JOBS).json()["results"] == []
    assert client.get(f"{JOBS}/{uuid4()}").status_code == 404


def test_pages_of_jobs_are_the_whole_both_ways(client, owner):
    ids = [str(create_job(counting(until=1), by=owner).id) for _ in range(5)][::-1]
    first = client.get(f"{JOBS}?limit=2&fields=id").json()
    second = client.get(first["next"]).json()
    assert [job["id"] for page in (first, second) for job in page["results"]] == ids[:4]
    assert client.get(second["previous"]).json()["results"] == first["results"]


def test_a50_a_result_is_fetched_by_who_asked_and_the_log_tells(client, client_of, token, done):
    """Guards: populace/bulk/api.py:_own, populace/bulk/actions.py:fetched, populace/api/jobs.py:_download.

    No cache keeps the file.
    """
    link = client.get(f"{JOBS}/{done.id}").json()["result_url"]
    response = client.get(link)
    assert b"".join(response.streaming_content) == b"0\n1\n2\n3\n"
    assert response["Cache-Control"] == "no-store"
    assert response["Content-Disposition"] == 'attachment; filename="numbers.csv"'
    event = Event.objects.get(action="export.downloaded")
    assert event.details["changes"]["rows"] == {"old": None, "new": 4}
    assert client_of(token("admin")).get(link).status_code == 404  # an owner sees the job, not what is in the file
    assert client_of(None).get(link).status_code == 401


def test_a50_a_link_ends_in_fifteen_minutes(client, done, monkeypatch):
    """Guard: populace/api/jobs.py:is_good."""
    link = client.get(f"{JOBS}/{done.id}").json()["result_url"]
    assert client.get(link[:-1] + ("0" if link[-1] != "0" else "1")).status_code == 404
    clock = now().timestamp() + 15 * 60 + 2
    monkeypatch.setattr("populace.api.jobs.time.time", lambda: clock)
    assert client.get(link).status_code == 404
    assert client.get(f"{JOBS}/{done.id}/result").status_code == 200


def test_a50_a_result_is_nobodys_who_has_lost_the_right(client, done):
    """Guard: populace/bulk/api.py:_own (`require`)."""
    RoleAssignment._base_manager.all().delete()
    watcher = Role(name="watcher", permissions=["jobs:read", "users:read"])
    Role._base_manager.bulk_create([watcher])
    RoleAssignment._base_manager.bulk_create([RoleAssignment(user_id=done.user_id, role=watcher)])
    authentication._kept.clear()  # as the verb would have it
    assert client.get(f"{JOBS}/{done.id}/result").status_code == 403


def test_bad_rows_are_fetched_as_they_were_sent(client, done):
    response = client.get(f"{JOBS}/{done.id}/errors")
    assert b"".join(response.streaming_content).decode().splitlines() == [
        "row,code,reason,sent",
        '2,invalid,An odd one.,"{""number"": 2}"',
    ]


def test_a_job_is_cancelled_by_its_path(client):
    by = Actor(UUID(client.get("/api/v1/tokens").json()["results"][0]["owner"]), permissions=ALL)
    job = create_job(counting(until=1), by=by)
    for _ in range(2):
        shown = client.post(f"{JOBS}/{job.id}/cancel").json()
        assert (shown["state"], shown["cancel_asked"]) == ("queued", True)
    work(job)
    assert client.get(f"{JOBS}/{job.id}").json()["state"] == "cancelled"


def test_a_job_of_the_command_line_is_done_in_its_own_process(owner):
    seen = []
    job = run_here(counting(until=7), by=owner, report=lambda job: seen.append(job.done))
    assert (job.state, stored(job).state, seen) == ("succeeded", "succeeded", [3, 6, 7, 7])
    dispatch()
    assert TaskRow.objects.get().state == TaskRow.DONE


def interrupted(owner, report=lambda job: signal.raise_signal(signal.SIGINT)):
    job = counting(until=7)
    with pytest.raises(Interrupted):
        run_here(job, by=owner, report=report)
    return job


def test_who_interrupts_it_may_resume_it(owner):
    """Guard: populace/bulk/here.py:_work (Again: no worker takes it meanwhile)."""
    job = interrupted(owner)
    assert (stored(job).state, stored(job).done) == ("running", 3)
    step()
    assert stored(job).state == "running"
    assert resume_here(job.id).state == "succeeded"
    with pytest.raises(JobNotFound):
        resume_here(job.id)


def test_what_is_interrupted_and_then_cancelled_is_settled_by_a_worker(owner):
    """Guard: populace/bulk/actions.py:cancel_job (the row that waits is due)."""
    job = interrupted(owner)
    cancel_job(job.id, by=owner)
    step()
    assert (stored(job).state, stored(job).done) == ("cancelled", 3)


def test_what_is_cancelled_and_then_interrupted_is_settled_by_a_worker(owner):
    """Guard: populace/bulk/here.py:_work (cancel_asked)."""

    def report(job):
        cancel_job(job.id, by=owner)
        signal.raise_signal(signal.SIGINT)

    job = interrupted(owner, report)
    step()
    assert (stored(job).state, stored(job).done) == ("cancelled", 3)


def test_what_nobody_resumes_for_a_week_is_cancelled(owner):
    """Guard: populace/bulk/here.py:cancel_forgotten (KEPT), populace/bulk/apps.py."""
    job, other = interrupted(owner), interrupted(owner)
    TaskRow.objects.filter(id=uuid5(job.id, run_job.module_path)).update(enqueued_at=now() - KEPT)
    assert cancel_forgotten in CHORES
    assert cancel_forgotten() is False
    assert [stored(one).cancel_asked for one in (job, other)] == [True, False]
    step()
    assert [stored(one).state for one in (job, other)] == ["cancelled", "running"]
