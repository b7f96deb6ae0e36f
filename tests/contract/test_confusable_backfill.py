"""After an upgrade what user names look like is claimed for the people who were there before it was."""

from importlib import import_module
from uuid import UUID

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from populace.users import checks
from populace.users.models import Identifier, User

MIGRATION = import_module("populace.users.migrations.0003_confusable")


def claim():
    """Run the migration's step."""
    MIGRATION.claim(apps, connection.schema_editor())


def claims():
    return dict(Identifier.objects.filter(key__startswith="confusable:").values_list("key", "user_id"))


@pytest.fixture
def people(make_user):
    """Seven people of version 0.1.0, two without a user name; the last looks like the first."""
    names = ["ace", "bob", "", "ánn", "", "eve", "other"]
    found = [UUID(make_user(username=name)["id"]) for name in names]
    Identifier._base_manager.filter(user_id=found[-1], key__startswith="username:").update(key="username:асе")
    User._base_manager.filter(id=found[-1]).update(username="асе", username_normal="асе")
    Identifier._base_manager.filter(key__startswith="confusable:").delete()
    return found


@pytest.mark.django_db
def test_everybody_but_a_real_twin_holds_what_their_name_looks_like(people):
    """populace/users/migrations/0003_confusable.py:claim"""
    assert len(list(checks.identifiers())) == 5
    claim()
    assert list(checks.identifiers()) == [("foreign", people[-1], "confusable")]
    assert claims()["confusable:ace"] == people[0]
    assert len(claims()) == 4


@pytest.mark.django_db
def test_it_goes_in_chunks_and_passes_over_what_is_there(people, monkeypatch):
    """Seven people: two chunks of four, four of two, and the look that finds nobody more."""
    claim()
    before = claims()
    spent = []
    for size in (4, 2):
        monkeypatch.setattr(MIGRATION, "CHUNK", size)
        Identifier._base_manager.filter(key__in=[*before][:2]).delete()
        with CaptureQueriesContext(connection) as asked:
            claim()
        assert claims() == before
        spent.append(sum(query["sql"].startswith("SELECT") for query in asked))
    assert spent == [3, 5]


@pytest.mark.django_db(transaction=True)
def test_an_interrupted_run_keeps_what_it_did_and_is_ended_by_the_next(people, monkeypatch):
    """Guard: populace/users/migrations/0003_confusable.py:Migration.atomic."""
    monkeypatch.setattr(MIGRATION, "CHUNK", 2)
    call_command("migrate", "users", "0002", verbosity=0)
    assert claims() == {}
    skeleton = MIGRATION.skeleton

    def until(name):
        if name == "eve":
            raise KeyboardInterrupt
        return skeleton(name)

    monkeypatch.setattr(MIGRATION, "skeleton", until)
    with pytest.raises(KeyboardInterrupt):
        call_command("migrate", "users", verbosity=0)
    assert len(claims()) == 3
    monkeypatch.setattr(MIGRATION, "skeleton", skeleton)
    call_command("migrate", "users", verbosity=0)
    assert len(claims()) == 4


@pytest.mark.django_db
def test_nobody_there_is_one_statement():
    with CaptureQueriesContext(connection) as asked:
        claim()
    assert sum(query["sql"].startswith("SELECT") for query in asked) == 1
