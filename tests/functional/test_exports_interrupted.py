"""Exports that are killed, come back late, rest, are cancelled or cannot reach the storage."""

import json
import signal

import pytest
from django.utils.timezone import now

from populace.audit.actors import SYSTEM
from populace.audit.dispatch import dispatch
from populace.bulk import exports, running
from populace.bulk.actions import create_job
from populace.bulk.here import Interrupted, run_here
from populace.bulk.models import Job, JobFile
from populace.bulk.reads import blocks_of
from populace.infra.storage import remove_all, storage
from populace.infra.tasks.current import Again
from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.queue import Lost
from populace.users.models import User
from tests.support.exported import EXPORTS, asked, lines, work
from tests.support.rounds import step

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_parts")]


class Died(Exception):
    """As if the process had."""


def test_whoever_goes_on_does_so_behind_the_last_part_that_counts(make_user, small_parts, monkeypatch):
    """Each person once, nothing of the part that was lost. Guards: populace/bulk/exports.py:run (position), _finish."""
    for _ in range(11):
        make_user()
    job, put, seen = create_job(asked(), by=SYSTEM), storage().put, []

    def die(key, path):
        put(key, path)
        if len(list((small_parts / job.folder).iterdir())) == 2:
            raise Died  # the part lies there, and no chunk names it

    with monkeypatch.context() as patched:
        patched.setattr(storage(), "put", die)
        with pytest.raises(Died):
            work(job)
    assert Job.objects.get(pk=job.id).done == 4
    work(job, report=lambda job: seen.append(job.done))
    assert seen == [8, 11, 11]
    found = Job.objects.get(pk=job.id)
    parts = [small_parts / job.folder / name for name in found.position["parts"]]
    made = [json.loads(line)["id"] for part in parts for line in part.read_bytes().splitlines()]
    assert made == [str(id) for id in User.objects.order_by("-date_joined", "-id").values_list("id", flat=True)]
    assert sorted(parts) == sorted((small_parts / job.folder).iterdir())  # what was lost is removed


def test_whoever_comes_back_late_spoils_no_part(make_user, small_parts, monkeypatch):
    """Guard: populace/bulk/exports.py:_write (a name of its own)"""
    make_user()
    job, put, began = create_job(asked(), by=SYSTEM), storage().put, []

    def stand_still(key, path):
        if not began:
            began.append(key)
            work(job)  # another worker, meanwhile
            path.write_bytes(b"stale\n")
        put(key, path)

    def lost(**_):
        if began:
            raise Lost

    monkeypatch.setattr(storage(), "put", stand_still)
    with pytest.raises(Lost):
        work(job, keep=lost)
    found = Job.objects.get(pk=job.id)
    made = b"".join(blocks_of(found, JobFile.objects.get(job_id=job.id)))
    assert [row["id"] for row in lines(made)] == [str(User.objects.get().id)]


def test_it_rests_and_goes_on(make_user):
    """Guard: populace/bulk/exports.py:run (what is done is in the position, not in this process)."""
    for _ in range(9):
        make_user()
    job, rests = create_job(asked(), by=SYSTEM), iter([False, True, False, False])
    with pytest.raises(Again):
        work(job, stopping=lambda: next(rests))
    work(job, stopping=lambda: next(rests))
    assert Job.objects.get(pk=job.id).result == {"rows": 9}


def test_a_workbook_that_nobody_wants_any_more_is_not_finished(make_user, monkeypatch):
    """Guard: populace/bulk/exports.py:_alive"""
    monkeypatch.setattr("populace.bulk.workbook.LOOK", 1)
    for _ in range(3):
        make_user()
    job = create_job(asked(format="xlsx"), by=SYSTEM)
    work(job, report=lambda job: Job._base_manager.update(cancel_asked=True))
    assert Job.objects.get(pk=job.id).state == "cancelled"


def test_a_workbook_is_not_made_again_of_drafts_that_are_gone(make_user, small_parts, monkeypatch):
    """Guard: populace/bulk/exports.py:_finish (the result is there)"""
    for _ in range(5):
        make_user()
    job = create_job(asked(format="xlsx"), by=SYSTEM)

    def die(prefix, *, but):
        remove_all(prefix, but=but)
        raise Died  # all is done, and the job does not say so yet

    with monkeypatch.context() as patched:
        patched.setattr(exports, "remove_all", die)
        with pytest.raises(Died):
            work(job)
    assert [path.name for path in (small_parts / job.folder).iterdir()] == ["result"]
    work(job)
    assert (Job.objects.get(pk=job.id).state, JobFile.objects.get().rows) == ("succeeded", User.objects.count())


def test_a_workbook_that_fails_at_its_end_again_and_again_runs_out_of_tries(make_user, monkeypatch):
    """Guard: populace/bulk/exports.py:_alive (no progress)"""
    monkeypatch.setattr("populace.bulk.workbook.LOOK", 1)
    for _ in range(3):
        make_user()
    job, seen = create_job(asked(format="xlsx"), by=SYSTEM), []

    def keep(*, progressed=False):
        seen.append(progressed)

    def fail(*args, **options):
        raise Died

    monkeypatch.setattr(running.Running, "finish_file", fail)
    for keeper in (lambda **_: None, keep):  # at the second try the list is written: what is left is the workbook
        with pytest.raises(Died):
            work(job, keep=keeper)
    assert len(seen) >= 3
    assert not any(seen[1:])


def test_a_result_of_which_a_part_is_gone_is_not_there(client, make_user, small_parts):
    response = client.post(EXPORTS, {"format": "csv"})
    dispatch()
    step()
    job = client.get(response["Location"]).json()
    for part in (small_parts / "jobs" / job["id"]).iterdir():
        part.unlink()
    assert client.get(job["result_url"]).status_code == 404


def test_a_result_is_shown_once_the_job_is_over(client, make_user):
    """Guard: populace/bulk/reads.py:results_of (is_over)"""
    path, seen = client.post(EXPORTS, {"format": "csv"})["Location"], []
    job = Job.objects.get()

    def look(job):
        JobFile._base_manager.filter(job_id=job.id).delete()
        JobFile._base_manager.bulk_create([JobFile(job_id=job.id, name=JobFile.RESULT, filename="x", size=1)])
        seen.append((client.get(path).json()["result_url"], client.get(f"{path}/result").status_code))

    work(job, report=look)
    assert seen[0] == (None, 404)
    assert client.get(path).json()["result_url"]


def test_ctrl_c_leaves_an_export_that_goes_on(make_user):
    for _ in range(9):
        make_user()
    with pytest.raises(Interrupted) as interrupted:
        run_here(asked(), by=SYSTEM, report=lambda job: signal.raise_signal(signal.SIGINT))
    assert Job.objects.get(pk=interrupted.value.job.id).done == 4


def test_a_storage_out_of_reach_is_waited_for(client, make_user, small_parts):
    """The queue tries again; nothing half-made is shown. Guard: populace/infra/storage/local.py:_told."""
    make_user()
    (small_parts / "jobs").write_bytes(b"no folder")
    path = client.post(EXPORTS, {"format": "jsonl"})["Location"]
    dispatch()
    step()
    task = TaskRow.objects.get(name="populace.bulk.tasks.run_job")
    assert (task.state, "Unavailable" in task.error) == (TaskRow.OPEN, True)
    job = client.get(path).json()
    assert (job["state"], job["result_url"]) == ("running", None)
    (small_parts / "jobs").unlink()
    TaskRow.objects.update(due_at=now())
    step()
    assert client.get(path).json()["result"] == {"rows": User.objects.count()}
