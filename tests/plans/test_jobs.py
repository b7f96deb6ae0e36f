"""What the pages of jobs ask the database: each reads what it shows, however many jobs and bad rows there are."""

from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from populace.audit.actors import SYSTEM, Actor
from populace.bulk import reads
from populace.bulk.models import Job, JobError, JobFile
from tests.support.plans import analyze, explain_sql, filled_once

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.only_on("postgresql", "sqlite", "MariaDB's plans are checked where pages are walked"),
]
JOBS, BAD, ROWS = 5_000, 20_000, 20
MINE = Actor(UUID(int=7))


@pytest.fixture(scope="module")
def filled(django_db_setup, django_db_blocker):
    with filled_once(django_db_blocker, fill) as made:
        yield made


def fill():
    """Many jobs, every hundredth mine, each with a result; two of mine have many bad rows."""
    at = now()
    jobs = [
        Job(kind="import", state="succeeded", user_id=MINE.id if n % 100 == 0 else UUID(int=8), created_at=at)
        for n in range(JOBS)
    ]
    Job._base_manager.bulk_create(jobs, batch_size=500)
    files = [JobFile(job_id=job.id, name=JobFile.RESULT, filename="a", content_type="b", size=1) for job in jobs]
    JobFile._base_manager.bulk_create(files, batch_size=500)
    bad = [JobError(job_id=jobs[n % 2 * 100].id, row=n, code="invalid", reason="") for n in range(BAD)]
    JobError._base_manager.bulk_create(bad, batch_size=500)
    analyze(connection)
    return jobs


def explained(function, *args, **options):
    """Call a function that asks one thing of the database; returns what it found and the plan."""
    with CaptureQueriesContext(connection) as log:
        found = function(*args, **options)
    assert len(log) == 1
    run = {"run": True} if connection.vendor == "postgresql" else {}
    plan = explain_sql(log[0]["sql"], connection, **run)
    assert not plan.scanned
    return found, plan


@pytest.mark.parametrize("by", [MINE, SYSTEM], ids=["mine", "all"])
@pytest.mark.parametrize("descending", [False, True])
def test_a_page_of_jobs_is_a_walk_along_an_index(filled, by, descending):
    middle = filled[JOBS // 2].id
    page, plan = explained(reads.jobs_of, by, behind=middle, descending=descending, rows=ROWS)
    assert len(page) == ROWS
    assert not plan.sorts
    assert plan.read.get("bulk_job", 0) <= ROWS


def test_whether_jobs_have_bad_rows_is_a_look_up_each(filled):
    """Guard: populace/bulk/reads.py:with_errors (Exists)."""
    page = filled[0:2000:100]
    found, plan = explained(reads.with_errors, page)
    assert found == {filled[0].id, filled[100].id}
    assert plan.read.get("bulk_joberror", 0) <= 2


def test_the_results_of_a_page_are_found_by_their_keys(filled):
    page = filled[:ROWS]
    found, plan = explained(reads.results_of, page)
    assert len(found) == ROWS
    assert plan.read.get("bulk_jobfile", 0) <= ROWS


def test_bad_rows_are_read_in_the_order_of_the_file_without_a_sort(filled):
    with CaptureQueriesContext(connection) as log:
        assert len(list(reads.errors_of(filled[0].id))) == BAD // 2
    assert len(log) == BAD // 2 // reads.ERRORS_READ + 1
    plan = explain_sql(log[5]["sql"], connection)
    assert (plan.scanned, plan.sorts) == (set(), False)
