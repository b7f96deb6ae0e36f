"""`rows=all`: one bad row, and nothing goes in; otherwise all of them in one transaction."""

import pytest

from populace.audit.actors import SYSTEM
from populace.bulk import import_job
from populace.credentials.hashing import verify_password
from populace.groups.models import Group
from populace.users.actions import create_user, erase_user
from populace.users.models import User

pytestmark = pytest.mark.django_db

PEOPLE = [{"username": f"u{number}", "groups": ["one"]} for number in range(12)]


def test_all_go_in_if_none_is_bad(import_people):
    result = import_people(*PEOPLE, {"username": "u3"}, rows="all")
    assert (result.job.state, result.done, result.skipped, result.job.done) == ("succeeded", 12, 1, 13)
    assert User.objects.count() == 12


@pytest.mark.parametrize("bad", [{"email": "nobody"}, {"username": "ｕ3"}, {"username": "u3", "external_id": "7"}])
def test_a50_one_bad_row_keeps_all_out_and_all_bad_rows_are_told(import_people, everything, codes, bad):
    """Guard: populace/bulk/import_job.py:_Import._begin_writing (bad_rows)."""
    before = everything()
    result = import_people(*PEOPLE, bad, {"locale": "-"}, rows="all", on_conflict="fail")
    assert (result.job.state, result.job.code) == ("failed", "bad_rows")
    assert result.job.detail == "2 of 14 rows are bad, so none went in."
    assert [row for row, _ in codes(result)] == [13, 14]
    assert result.errors_file.exists()
    assert everything() == before
    assert not Group.objects.exists()


def test_a50_a_row_that_becomes_bad_before_it_is_written_keeps_all_out(import_people, everything, codes, monkeypatch):
    """Guard: populace/bulk/import_job.py:_Import._write_rows (_BadRow)."""
    made = []
    begin = import_job._Import._begin_writing

    def meanwhile(self):
        begin(self)
        if not made:
            made.append(create_user(by=SYSTEM, values={"username": "u5"}, quiet=True))
            made.append(everything())

    monkeypatch.setattr(import_job._Import, "_begin_writing", meanwhile)
    result = import_people(*PEOPLE, rows="all", on_conflict="fail")
    assert (result.job.state, result.job.code, codes(result)) == ("failed", "bad_rows", [(6, "username_taken")])
    assert everything() == made[1]


def test_a50_what_is_bad_only_for_a_moment_keeps_nobody_out(import_people, monkeypatch):
    """populace/bulk/import_job.py:_Import._write_all (rehearsed anew)"""
    begin, made = import_job._Import._begin_writing, []

    forget = import_job._Import._forget_rehearsal

    def comes(self):
        begin(self)
        if not made:
            create_user(by=SYSTEM, values={"username": "u5"}, quiet=True)
            made.append(User.objects.get().id)

    def goes(self):
        erase_user(made[0], by=SYSTEM)
        forget(self)

    monkeypatch.setattr(import_job._Import, "_begin_writing", comes)
    monkeypatch.setattr(import_job._Import, "_forget_rehearsal", goes)
    result = import_people(*PEOPLE, rows="all", on_conflict="fail")
    assert (result.job.state, result.done) == ("succeeded", 12)
    assert User.objects.count() == 12


@pytest.mark.django_db(transaction=True)  # a password is hashed meanwhile: no transaction may be open
def test_passwords_are_hashed_before_the_one_transaction(import_people):
    """populace/bulk/rehearsal.py:Rehearsal.keep_hash"""
    result = import_people(*PEOPLE[:2], {"username": "ann", "password": "open sesame"}, rows="all")
    assert result.done == 3
    assert verify_password("open sesame", User.objects.get(username="ann").password)


def test_a_dry_run_of_all_tells_the_bad_rows_and_succeeds(import_people, codes):
    result = import_people({"username": "ann"}, {"username": "ann"}, rows="all", on_conflict="fail", dry_run=True)
    assert (result.job.state, codes(result), result.done) == ("succeeded", [(2, "username_taken")], 1)
    assert not User.objects.exists()
