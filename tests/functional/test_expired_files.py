"""Files of jobs are gone when the job is, and when nobody knows of it, on both engines of the storage."""

from contextlib import suppress
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils.timezone import now

from populace.audit.actors import SYSTEM
from populace.audit.tasks import upkeep
from populace.bulk import expiry, exports, running
from populace.bulk.actions import KEPT, create_job
from populace.bulk.expiry import delete_expired, delete_leftovers
from populace.bulk.models import BulkTarget, Job, JobFile
from populace.infra.storage import Unavailable
from populace.infra.tasks.chores import CHORES
from populace.infra.tasks.current import Again

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def from_the_beginning(monkeypatch):
    monkeypatch.setattr(expiry, "_seen", [""])


def exported():
    job = create_job(Job(kind="export", options=exports.asked({"format": "csv"})), by=SYSTEM)
    running.work(job.id, keep=lambda **_: None, stopping=lambda: False)
    return job


def id_of_age(age):
    """An id as it was made then."""
    made = int((now() - age).timestamp() * 1000)
    return UUID(int=made << 80 | 7 << 76 | 2 << 62 | uuid4().int & (1 << 62) - 1)


def left(files, tmp_path, job_id, name="source"):
    path = tmp_path / "left"
    path.write_bytes(b"x")
    files.put(f"jobs/{job_id}/{name}", path)
    return f"jobs/{job_id}/{name}"


def jobs_with_files(files):
    return {UUID(key.split("/")[1]) for key in files.keys("jobs/")}


def test_what_is_over_goes_with_its_files(files, make_user):
    """Guard: populace/bulk/expiry.py:delete_expired"""
    make_user()
    old, new = exported(), exported()
    Job._base_manager.filter(pk=old.id).update(expires_at=now())
    assert jobs_with_files(files) == {old.id, new.id}
    assert delete_expired() is False
    assert jobs_with_files(files) == {new.id}
    assert [job.id for job in Job.objects.all()] == [file.job_id for file in JobFile.objects.all()] == [new.id]


def test_a_job_of_many_rows_goes_in_several_rounds(files, monkeypatch):
    """Guard: populace/bulk/expiry.py:delete_expired (STATEMENTS; the job goes last)"""
    monkeypatch.setattr(expiry, "ROWS", 1)
    monkeypatch.setattr(expiry, "STATEMENTS", 2)
    job = exported()
    BulkTarget._base_manager.bulk_create(BulkTarget(job_id=job.id, user_id=uuid4(), row=n) for n in range(3))
    Job._base_manager.filter(pk=job.id).update(expires_at=now())
    assert delete_expired() is True
    assert (Job.objects.count(), BulkTarget.objects.count()) == (1, 1)
    assert delete_expired() is False
    assert (Job.objects.count(), BulkTarget.objects.count()) == (0, 0)


def test_files_of_no_job_go_when_they_are_old(files, tmp_path, make_user):
    """Guards: populace/bulk/expiry.py:delete_leftovers (known jobs, GRACE), _job_of"""
    known = exported()
    Job._base_manager.filter(pk=known.id).update(id=(aged := id_of_age(timedelta(days=30))))
    kept = {
        left(files, tmp_path, aged),
        left(files, tmp_path, id_of_age(KEPT)),
        left(files, tmp_path, UUID(int=4 << 76 | 2 << 62 | 1)),  # would be of 1970, but says no time
        left(files, tmp_path, "somebody-elses"),
        *files.keys(f"jobs/{known.id}/"),
    }
    for age in (8.1, 400):
        left(files, tmp_path, id_of_age(timedelta(days=age)))
    assert delete_leftovers() is False
    assert set(files.keys("jobs/")) == kept


def test_so_many_files_are_looked_at_in_a_round(files, tmp_path, monkeypatch):
    """Guard: populace/bulk/expiry.py:delete_leftovers (KEYS, and where the last round ended)"""
    monkeypatch.setattr(expiry, "KEYS", 2)
    for age in (9, 10, 11):
        left(files, tmp_path, id_of_age(timedelta(days=age)))
    kept = left(files, tmp_path, id_of_age(timedelta(0)))
    assert [delete_leftovers(), len(list(files.keys("jobs/")))] == [True, 2]
    assert delete_leftovers() is True
    assert list(files.keys("jobs/")) == [kept]
    assert delete_leftovers() is False


@pytest.mark.parametrize("chore", [delete_expired, delete_leftovers])
def test_upkeep_waits_for_a_storage_that_is_out_of_reach(files, chore, make_user, tmp_path, monkeypatch):
    """The worker lives on. Guard: populace/bulk/expiry.py:_later"""
    job = exported()
    Job._base_manager.filter(pk=job.id).update(expires_at=now())

    def unavailable(*args, **options):
        raise Unavailable("the bucket: 503")

    with monkeypatch.context() as patched:
        patched.setattr(files, "keys", unavailable)
        assert chore() is False
    assert Job.objects.exists()
    assert chore in CHORES
    with suppress(Again):  # it has found something, and looks once more
        upkeep.call()
    assert not Job.objects.exists()
    assert not jobs_with_files(files)
