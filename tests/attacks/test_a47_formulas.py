"""A47. A spreadsheet computes nothing of what we export, and an import gives back what was there."""

import csv
import io
import json
import random

import pytest

from populace.bulk.error_rows import csv_of
from populace.bulk.exported import EXPORTED
from populace.bulk.models import Job, JobError
from populace.infra.formula import SIGNS, bare, guarded
from populace.users.documents import USER_FIELDS
from tests.support.installation import run
from tests.support.moving import empty
from tests.support.processes import wait_until
from tests.support.workbooks import cells_of

CLOCKWORK = "cmd|' /C calc'!A0"
NAMES = [f"{sign}{CLOCKWORK}" for sign in SIGNS]
NAMES += ["'=1+1", "''=1", "'plain", "'", "''", "=", '="x"', "a=1", "-", "@SUM(1+1)*cmd", "=HYPERLINK()", "+\u200b1"]
WRITABLE = ("kind", "username", "email", "external_id", "first_name", "last_name", "phone", "locale", "timezone")
SAME = (*WRITABLE, "email_verified", "is_active", "attributes")


@pytest.fixture(scope="module")
def exported(town):
    """Return `exported(format, list) -> bytes`: all there is, by the API."""
    town.start_worker()
    for number, name in enumerate(NAMES):
        body = {"name": f"{name} {number}", "description": name}
        headers = {"X-Request-ID": "-1"}
        assert town.http.post("/api/v1/groups", json=body, headers=headers).status_code == 201
    group = town.http.post("/api/v1/groups", json={"name": "=group()"}).json()["id"]
    for number, name in enumerate(NAMES):
        body = {
            "email": f"-{number}+x@example.com",
            "external_id": f"{name}{number}",
            "first_name": name,
            "last_name": name,
            "phone": f"+43664123{number:04}",
            "attributes": {name: [name, 1.5, None, True, {"=": "\n=1\t@"}], "@": "="},
        }
        person = town.http.post("/api/v1/users", json=body)
        assert person.status_code == 201, person.text
        town.http.post(f"/api/v1/groups/{group}/members", json={"add": [person.json()["id"]]}).raise_for_status()
    town.http.post(f"/api/v1/users/{person.json()['id']}/deactivate").raise_for_status()

    def export(ending, list="users"):
        body = {"list": list, "format": ending} | ({"order": "email"} if list == "users" else {})
        job = town.http.post("/api/v1/exports", json=body).headers["Location"]
        done = wait_until(lambda: (found := town.http.get(job).json())["result_url"] and found, "the export")
        assert done["state"] == "succeeded"
        return town.http.get(done["result_url"]).content

    return export


def is_harmless(cell):
    return all(not line.startswith((*SIGNS, "\t", "\r")) for line in cell.splitlines() or [""])


@pytest.fixture(scope="module")
def people(town, exported):
    """Everybody, as documents."""
    return [json.loads(line) for line in exported("jsonl").splitlines()]


def test_a47_no_cell_of_a_csv_is_a_formula(exported, people):
    """Guard: populace/infra/db/cells.py:SHAPES (the CASE of text)"""
    rows = list(csv.reader(io.StringIO(exported("csv").decode(), newline=""), strict=True))
    assert len(rows) == len(people) + 1
    assert all(is_harmless(cell) for row in rows for cell in row)


def test_a47_the_database_guards_as_python_does(exported, people):
    """populace/infra/db/cells.py and populace/infra/formula.py:guarded say the same."""
    rows = list(csv.DictReader(io.StringIO(exported("csv").decode(), newline=""), strict=True))
    for row, person in zip(rows, people, strict=True):
        assert [row[name] for name in WRITABLE] == [guarded(person[name]) for name in WRITABLE]


def test_a47_no_cell_of_a_workbook_is_a_formula(exported, people):
    """Guards: populace/bulk/workbook.py:OPTIONS, _write (guarded)"""
    head, *rows = cells_of(exported("xlsx"))
    assert head == list(USER_FIELDS)
    assert all(is_harmless(cell) for row in rows for cell in row if isinstance(cell, str))
    found = [dict(zip(head, row, strict=True)) for row in rows]
    assert [[bare(row[name] or "") for name in WRITABLE] for row in found] == [
        [person[name] for name in WRITABLE] for person in people
    ]


@pytest.mark.parametrize(("list", "names"), [("groups", ("name", "description")), ("events", ("request_id",))])
def test_a47_groups_and_the_log_hold_no_formula_either(exported, list, names):
    """Guards: populace/infra/db/cells.py:GUARD, populace/bulk/workbook.py:_write (guarded)"""
    documents = [json.loads(line) for line in exported("jsonl", list).splitlines()]
    assert {"groups": set(NAMES), "events": {"-1"}}[list] <= {document[names[-1]] for document in documents}
    head, *sheet = cells_of(exported("xlsx", list))
    for rows in (
        [*csv.DictReader(io.StringIO(exported("csv", list).decode(), newline=""), strict=True)],
        [dict(zip(head, row, strict=True)) for row in sheet],
    ):
        assert all(is_harmless(cell) for row in rows for cell in row.values() if isinstance(cell, str))
        there = {row["id"]: row for row in rows}
        for document in documents:
            assert [bare(there[document["id"]][name] or "") for name in names] == [document[name] for name in names]


def test_a47_json_lines_stay_raw(people):
    assert set(NAMES) <= {person["first_name"] for person in people}


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a47_an_import_restores_every_value(exported, people, ending, tmp_path):
    """Guards: populace/bulk/formats/csv.py:to_row (bare), populace/bulk/formats/exported.py"""
    file, there = tmp_path / f"people.{ending}", tmp_path / "there.jsonl"
    file.write_bytes(exported(ending))
    env = empty(tmp_path)
    run(env, "import", str(file))
    run(env, "export", str(there), "--order", "email")
    found = [json.loads(line) for line in there.read_text().splitlines()]
    assert [[person[name] for name in SAME] for person in found] == [
        [person[name] for name in SAME] for person in people
    ]
    assert [[group["name"] for group in person["groups"]] for person in found] == [
        [group["name"] for group in person["groups"]] for person in people
    ]


@pytest.mark.parametrize("text", ["a\n=1", "\t=1", "a\r\n=1", "\r=1"])
def test_a47_a_field_of_a_person_holds_no_second_line(town, text):
    """Guard: populace/users/profile.py:line"""
    for name in ("first_name", "last_name", "external_id", "username"):
        assert town.http.post("/api/v1/users", json={"email": "lines@example.com", name: text}).status_code == 400


def test_a47_second_lines_are_guarded_and_restored():
    """Guards: populace/infra/formula.py:guarded, bare"""
    assert guarded("a\n=1\r\n-2\r@3") == "a\n'=1\r\n'-2\r'@3"
    assert guarded("\t=1") == "'\t=1"
    letters = random.Random(47)
    for _ in range(20_000):
        text = "".join(letters.choice("='\n\r\ta＝-") for _ in range(letters.randrange(9)))
        assert bare(guarded(text)) == text
        assert is_harmless(guarded(text))
        assert guarded(bare(guarded(text))) == guarded(text)


def test_a47_a_header_is_made_of_names_of_ours():
    assert all(name.isidentifier() for one in EXPORTED.values() for name in one.fields)


@pytest.mark.django_db
def test_a47_the_file_of_bad_rows_holds_no_formula():
    """Guard: populace/bulk/error_rows.py:csv_of (of kinds without a file of their own)"""
    job = Job(kind="export")
    bad = [JobError(job_id=job.id, row=row, code="invalid", reason="Odd.", sent=sent) for row, sent in enumerate(NAMES)]
    JobError._base_manager.bulk_create(bad)
    rows = list(csv.reader(io.StringIO(b"".join(csv_of(job)).decode(), newline=""), strict=True))
    assert [[is_harmless(cell) for cell in row] for row in rows] == [[True] * 4] * (len(NAMES) + 1)
    assert [bare(row[3]) for row in rows[1:]] == NAMES
