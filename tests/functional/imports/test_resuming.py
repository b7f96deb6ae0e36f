"""An import that rests, or dies, after any chunk ends as one that was never interrupted."""

import json
import threading
from contextlib import suppress

import pytest
from django.db import OperationalError

from populace.audit.actors import SYSTEM
from populace.bulk import import_job, running
from populace.bulk.actions import cancel_job
from populace.bulk.imports import import_job as asked_for
from populace.bulk.imports import request_import, result_of
from populace.bulk.models import Job, JobError, JobFile
from populace.cli.jobs import tell_import
from populace.cli.output import Failure
from populace.credentials.hashing import verify_password
from populace.infra.storage import Unavailable, storage
from populace.infra.tasks.current import Again
from populace.users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = [
    *({"external_id": str(number), "username": f"u{number}", "email": f"u{number}@example.org"} for number in range(7)),
    {"email": "nobody"},
    {"username": "u1"},  # somebody of the file, told bad
    {"external_id": "2", "username": "new2"},
    {"username": "u2"},  # free by now
    {"username": "ann", "password": "open sesame"},
    {"username": "ann"},
    {"locale": "-"},
]


class Killed(BaseException):
    """As if the process had died."""


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for name in ("CHECKED", "FIRST", "LEAST"):
        monkeypatch.setattr(import_job, name, 2)
    monkeypatch.setattr(import_job, "WRITTEN", dict.fromkeys(import_job.WRITTEN, 2))


@pytest.fixture
def request_job(tmp_path):
    def requested(people, **asked):
        path = tmp_path / "people.jsonl"
        path.write_text("".join(f"{json.dumps(one)}\n" for one in people))
        job = asked_for("jsonl", **({"on_conflict": "fail"} | asked))
        job.options["path"] = str(path)
        return request_import(job, path, by=SYSTEM, filename="people.jsonl", content_type="x")

    return requested


def in_parts(job, *, killed: bool):
    """Do a job, a chunk or two at a time, each with another worker; return how many there were and its progress."""
    stays, seen = 0, []
    while not Job.objects.get(pk=job.id).is_over:
        chunks, renewed = 1 + stays % 2, []
        began = len(seen)

        def keep(*, progressed=False, most=chunks + 1, renewed=renewed):
            renewed.append(progressed)
            if killed and renewed.count(True) > most:
                raise Killed

        def stopping(chunks=chunks, began=began):
            return not killed and len(seen) - began >= chunks

        stays += 1
        assert stays < 100
        with suppress(Again, Killed):
            running.work(job.id, keep=keep, stopping=stopping, report=lambda job: seen.append(job.done))
    return stays, seen


def told(job):
    return list(JobError.objects.filter(job_id=job.id).order_by("row").values_list("row", "code"))


@pytest.mark.parametrize("killed", [False, True], ids=["rests", "dies"])
@pytest.mark.parametrize("asked", [{}, {"dry_run": True}], ids=["real", "dry run"])
def test_it_ends_as_one_that_was_never_interrupted(request_job, asked, killed):
    """populace/bulk/import_job.py:_Import (position), populace/bulk/rehearsal.py:Rehearsal.keep"""
    job = request_job(PEOPLE, **asked)
    stays, seen = in_parts(job, killed=killed)
    assert stays > 3
    assert seen == sorted(seen)
    result = result_of(Job.objects.get(pk=job.id))
    assert told(job) == [(8, "invalid"), (9, "username_taken"), (13, "username_taken"), (14, "invalid")]
    assert (result.job.state, result.failed, result.job.done) == ("succeeded", 4, 14)
    assert result.done + result.skipped == 10  # a rehearsal does not know what would have changed
    if not asked:
        assert User.objects.count() == 9
        assert verify_password("open sesame", User.objects.get(username="ann").password)


@pytest.mark.parametrize("killed", [False, True], ids=["rests", "dies"])
def test_all_or_none_is_all(request_job, killed, monkeypatch):
    """populace/bulk/import_job.py:_Import._keep_rehearsal"""
    put, kept = storage().put, []
    monkeypatch.setattr(storage(), "put", lambda key, path: (put(key, path), kept.append(key)))
    good = [one for one in PEOPLE if one.get("email") != "nobody" and one not in PEOPLE[-2:] and one != PEOPLE[8]]
    job = request_job(good, rows="all")
    stays, _ = in_parts(job, killed=killed)
    result = result_of(Job.objects.get(pk=job.id))
    assert (result.job.state, result.done, told(job)) == ("succeeded", 10, [])
    assert User.objects.count() == 9
    assert verify_password("open sesame", User.objects.get(username="ann").password)
    assert f"{job.folder}/rehearsal" in kept
    assert stays > 3


@pytest.mark.parametrize("asked", [{}, {"rows": "all"}], ids=["good", "all"])
def test_nothing_of_the_file_is_kept_once_it_is_imported(request_job, asked):
    """Guard: populace/bulk/import_job.py:tidy"""
    job = request_job(PEOPLE[:3], **asked)
    in_parts(job, killed=False)
    assert Job.objects.get(pk=job.id).state == "succeeded"
    assert not JobFile.objects.exists()
    assert list(storage().keys("jobs/")) == []


@pytest.mark.parametrize("asked", [{"dry_run": True}, {"rows": "all"}], ids=["dry run", "failed"])
def test_the_file_is_kept_that_may_be_wanted_yet(request_job, asked):
    """Guards: populace/bulk/import_job.py:tidy (dry_run), populace/bulk/running.py:work (SUCCEEDED)"""
    job = request_job(PEOPLE, **asked)
    in_parts(job, killed=False)
    assert f"{job.folder}/source" in storage().keys("jobs/")
    assert "source" in JobFile.objects.values_list("name", flat=True)


def test_an_import_has_succeeded_though_its_file_cannot_be_removed(request_job, monkeypatch):
    """Guard: populace/bulk/import_job.py:tidy (Unavailable)"""

    def refuse(key):
        raise Unavailable("the folder: read-only file system")

    job = request_job(PEOPLE[:3])
    monkeypatch.setattr(storage(), "remove", refuse)
    in_parts(job, killed=False)
    assert Job.objects.get(pk=job.id).state == "succeeded"
    assert JobFile.objects.get().name == "source"  # for the expiry, in seven days


def test_a_csv_goes_on_behind_its_last_chunk(tmp_path):
    """populace/bulk/formats/tables.py:rows (behind)"""
    path = tmp_path / "people.csv"
    lines = (f"u{n},{'nobody' if n in (3, 8) else f'u{n}@example.org'}\n" for n in range(1, 12))
    path.write_text("username,email\n" + "".join(lines))
    job = request_import(asked_for("csv"), path, by=SYSTEM, filename="people.csv", content_type="x")
    stays, _ = in_parts(job, killed=True)
    assert stays > 3
    assert told(job) == [(3, "invalid"), (8, "invalid")]
    assert sorted(User.objects.values_list("username", flat=True)) == sorted(
        f"u{n}" for n in range(1, 12) if n not in (3, 8)
    )


@pytest.fixture
def held(monkeypatch, request_job):
    """Return `held(until, keep=…) -> job`: done, while what makes rows stands still in front of each block."""
    monkeypatch.setattr(running, "RENEW_S", 0.01)
    read = import_job.blocks

    def done(until, *, keep, **asked):
        def slowly(*args, **options):
            for block in read(*args, **options):
                assert until.wait(30)
                until.clear()
                yield block

        monkeypatch.setattr(import_job, "blocks", slowly)
        job = request_job(PEOPLE[:6], **asked)
        running.work(job.id, keep=keep, stopping=lambda: False)
        return Job.objects.get(pk=job.id)

    return done


@pytest.mark.parametrize("asked", [{}, {"dry_run": True}, {"rows": "all"}], ids=["real", "dry run", "all"])
def test_the_lease_is_kept_while_rows_are_waited_for(held, asked):
    """Guard: populace/bulk/running.py:Running.wait (renew): no block comes before three renewals."""
    until, kept = threading.Event(), []

    def keep(*, progressed=False):
        kept.append(progressed)
        if kept[-3:] == [False] * 3:
            until.set()

    assert held(until, keep=keep, **asked).state == "succeeded"


def test_the_lease_is_kept_while_the_file_is_fetched(request_job, monkeypatch):
    """Guard: populace/bulk/running.py:Running.path (aside)"""
    monkeypatch.setattr(running, "RENEW_S", 0.01)
    get, until, kept = storage().get, threading.Event(), []

    def slowly(key, path):
        assert until.wait(30)
        get(key, path)

    def keep(*, progressed=False):
        kept.append(progressed)
        if len(kept) == 4:
            until.set()

    monkeypatch.setattr(storage(), "get", slowly)
    job = request_job(PEOPLE[:2])
    running.work(job.id, keep=keep, stopping=lambda: False)
    assert Job.objects.get(pk=job.id).state == "succeeded"


def test_the_lease_is_kept_with_each_block_of_the_one_transaction(request_job):
    """Guard: populace/bulk/import_job.py:_Import._write_rows (keep)"""
    job, kept = request_job(PEOPLE[:6], rows="all"), []
    running.work(job.id, keep=lambda progressed=False: kept.append(progressed), stopping=lambda: False)
    assert kept[-5:] == [True, False, False, False, True]  # the chunk, three blocks, the end


def test_the_first_rows_are_read_before_the_one_transaction_begins(request_job, monkeypatch):
    """Guard: populace/bulk/import_job.py:_Import._write_rows (first)"""
    read, seen = import_job.blocks, []

    def noted(*args, **options):
        for block in read(*args, **options):
            seen.append("rows")
            yield block

    monkeypatch.setattr(import_job, "blocks", noted)
    job = request_job(PEOPLE[:2], rows="all")
    running.work(job.id, keep=lambda progressed=False: seen.append(progressed), stopping=lambda: False)
    assert seen[-5:] == [True, "rows", True, False, True]  # the rehearsal's end, the one block, its chunk, the end


def test_the_lease_is_kept_while_a_rehearsal_is_done_anew(request_job):
    """Guard: populace/bulk/import_job.py:_Import._rehearse (renew)"""
    job, kept = request_job(PEOPLE[:7], dry_run=True), []

    def keep(*, progressed=False):
        kept.append(progressed)
        if kept == [False, True, True, True]:
            raise Killed

    with suppress(Killed):
        running.work(job.id, keep=keep, stopping=lambda: False)
    assert Job.objects.get(pk=job.id).position["rows"] == 4
    kept.clear()
    running.work(job.id, keep=lambda progressed=False: kept.append(progressed), stopping=lambda: False)
    assert kept[:4] == [False, False, False, True]  # the beginning, two blocks anew, the third


def test_a_stay_gets_on_however_late_its_first_chunk_comes(request_job):
    """Guard: populace/bulk/running.py:Running.chunk (moved)"""
    job, stays = request_job(PEOPLE), 0
    while not Job.objects.get(pk=job.id).is_over:
        stays += 1
        assert stays < 100
        with suppress(Again):
            running.work(job.id, keep=lambda **_: None, stopping=lambda: True)
    assert stays > 3


def test_an_import_that_the_api_was_sent_is_resumed_without_a_file_of_its_own(tmp_path):
    """Guard: populace/bulk/imports.py:result_of (path)"""
    path = tmp_path / "people.csv"
    path.write_text("username,email\nann,ann@example.org\nbob,nobody\n")
    job = request_import(asked_for("csv"), path, by=SYSTEM, filename="people.csv", content_type="x")
    in_parts(job, killed=False)
    result = result_of(Job.objects.get(pk=job.id))
    assert (result.done, result.failed, result.errors_file) == (1, 1, None)
    assert [(row, code) for row, code, _ in result.errors] == [(2, "invalid")]


def test_an_import_that_ends_before_its_first_chunk_is_told_as_it_ended(request_job):
    """Guards: populace/bulk/imports.py:result_of (how), populace/cli/jobs.py:tell_import (recognised)"""
    job = request_job(PEOPLE)
    cancel_job(job.id, by=SYSTEM)
    in_parts(job, killed=False)
    result = result_of(Job.objects.get(pk=job.id))
    assert (result.job.state, result.recognised, result.summary()["done"]) == ("cancelled", None, 0)
    with pytest.raises(Failure, match="cancelled: 0 rows done"):
        tell_import(result, as_json=False)


class Locked(Exception):
    """As a driver says that others hold what is needed."""

    sqlstate = "55P03"


@pytest.mark.parametrize("asked", [{}, {"dry_run": True}, {"rows": "all"}], ids=["real", "dry run", "all"])
def test_what_is_done_anew_for_others_locks_is_told_once(request_job, asked):
    """populace/bulk/import_job.py:_Import._try (drop), populace/bulk/import_job.py:_Import._patiently"""
    job = request_job(PEOPLE[:7], **asked)
    calls, every = [], 7 if asked.get("rows") else 3  # the one transaction of all rows has five calls

    def keep(*, progressed=False):
        calls.append(progressed)
        if len(calls) % every == 0:
            raise OperationalError from Locked()

    while not (stored := Job.objects.get(pk=job.id)).is_over:
        with suppress(OperationalError):  # of what is not a chunk
            running.work(job.id, keep=keep, stopping=lambda: False)
    assert (stored.state, stored.result["failed"], stored.result["done"]) == ("succeeded", 0, 7)
    assert told(job) == []
