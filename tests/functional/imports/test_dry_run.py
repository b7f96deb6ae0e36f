"""A dry run finds the bad rows of the real one, and writes nothing."""

import pytest

from populace.audit.actors import Actor
from populace.bulk import import_job
from populace.users.models import User

pytestmark = pytest.mark.django_db

PEOPLE = [
    {"external_id": "1", "username": "ann", "email": "ann@example.org", "groups": ["/a/b"]},
    {"username": "bob", "email": "ann@example.org"},  # somebody of the file
    {"external_id": "1", "email": "a@example.org"},  # who thereby frees an address
    {"username": "carl", "email": "ann@example.org"},
    {"username": "carl"},
    {"username": "ａnn"},
    {"username": "аnn"},  # Cyrillic: mixed
    {"username": "dora", "is_active": False, "password": "x" * 300},
    {"email": "no address", "locale": "-"},
    {"external_id": "there", "username": "there2"},  # somebody of the directory
    {"username": "there"},  # free by now
    {"username": "there2"},
    {"external_id": "there", "kind": "service"},
    {"external_id": "there", "username": ""},
    {"external_id": "other", "email": "there@example.org"},
    {"username": "eve", "groups": ["\n"]},
    {"username": "fred", "password_hash": "$2a$10$"},
]


@pytest.fixture
def directory(import_people):
    import_people({"external_id": "there", "username": "there", "email": "there@example.org"})


@pytest.mark.parametrize("on_conflict", ["skip", "update", "fail"])
@pytest.mark.parametrize("rows", [1, 3, 200], ids="{} rows a batch".format)
def test_a_dry_run_tells_what_the_real_one_tells(import_people, directory, everything, monkeypatch, on_conflict, rows):
    """populace/bulk/rehearsal.py"""
    monkeypatch.setattr(import_job, "FIRST", rows)
    monkeypatch.setattr(import_job, "LEAST", rows)
    monkeypatch.setattr(import_job, "WRITTEN", dict.fromkeys(import_job.WRITTEN, rows))
    before = everything()
    dry = import_people(*PEOPLE, dry_run=True, on_conflict=on_conflict)
    assert everything() == before
    real = import_people(*PEOPLE, on_conflict=on_conflict)
    assert dry.errors == real.errors
    assert (dry.failed, dry.done + dry.skipped) == (real.failed, real.done + real.skipped)
    assert real.failed >= 6


def test_a_dry_run_tells_the_last_owner(import_people, directory, give_role, codes):
    give_role(User.objects.get().id, "owner")
    rows = [{"username": "ann"}, {"external_id": "there", "is_active": False}]
    assert codes(import_people(*rows, dry_run=True)) == [(2, "last_owner")]


def test_a_dry_run_tells_who_may_do_more(import_people, directory, give_role, actor, codes):
    give_role(User.objects.get().id, "owner")
    helper = Actor(id=actor.id, permissions=frozenset({"users:write"}))
    rows = [{"external_id": "there", "first_name": "X"}, {"username": "ann"}]
    assert codes(import_people(*rows, by=helper, dry_run=True)) == [(1, "forbidden")]
