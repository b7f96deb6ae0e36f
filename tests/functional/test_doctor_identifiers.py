"""`populace doctor identifiers`: every person is found by what the code would claim today, and by nothing else."""

import json
import sys
from uuid import UUID

import pytest

from populace.cli import main
from populace.infra.db.ids import new_id
from populace.users import checks
from populace.users.actions import erase_user
from populace.users.models import Identifier, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def doctor(capsys, monkeypatch):
    """Return `doctor() -> (exit code, the faults, the summary)`."""

    def run():
        monkeypatch.setattr(sys, "argv", ["populace", "doctor", "identifiers", "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        *faults, summary = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return ended.value.code or 0, {(each["fault"], each["user"], each["what"]) for each in faults}, summary

    return run


@pytest.fixture
def ann(make_user):
    return make_user(username="ánn", email="ann@example.org", phone="+4312345678", external_id="7")["id"]


def test_a_directory_made_by_the_verbs_is_in_order(doctor, ann, make_user, actor, monkeypatch):
    monkeypatch.setattr(checks, "CHUNK", 2)
    people = [make_user()["id"] for _ in range(5)]
    erase_user(UUID(people[3]), by=actor)
    assert doctor() == (0, set(), {"check": "identifiers", "ok": True})


@pytest.mark.parametrize("kind", ["username", "email", "phone", "external_id", "confusable"])
def test_a_claim_that_is_not_there_is_missing(doctor, ann, kind):
    Identifier._base_manager.filter(key__startswith=f"{kind}:").delete()
    assert doctor() == (1, {("missing", ann, kind)}, {"check": "identifiers", "ok": False, "missing": 1})


def test_a_claim_of_somebody_else_is_foreign_here_and_stale_there(doctor, ann, make_user):
    other = make_user()["id"]
    Identifier._base_manager.filter(key="email:ann@example.org").update(user_id=other)
    code, faults, _ = doctor()
    assert (code, faults) == (1, {("foreign", ann, "email"), ("stale", other, "email")})


def test_a_claim_of_nobody_is_stale(doctor, ann):
    nobody = new_id()
    Identifier._base_manager.bulk_create([Identifier(key="email:x@example.org", user_id=nobody, unicode_version="1")])
    assert doctor()[:2] == (1, {("stale", str(nobody), "email")})


def test_another_rule_for_spellings_is_seen(doctor, ann):
    """As if an older version had compared the names in another way."""
    User._base_manager.filter(id=ann).update(username_normal="án", last_name="Öz", last_name_normal="oz")
    Identifier._base_manager.filter(key="username:ánn").update(key="username:án")
    assert doctor()[1] == {
        ("outdated", ann, "username_normal"),
        ("outdated", ann, "last_name_normal"),
        ("missing", ann, "username"),
        ("stale", ann, "username"),
    }


def test_what_would_be_refused_today_is_told(doctor, ann):
    User._base_manager.filter(id=ann).update(username="раypal")
    assert doctor()[1] == {("invalid", ann, "username")}


def test_no_value_is_printed(ann, capsys, monkeypatch):
    Identifier._base_manager.all().delete()
    monkeypatch.setattr(sys, "argv", ["populace", "doctor", "identifiers"])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().out
    assert said.count("missing") == 6
    assert "ann" not in said
    assert "ánn" not in said
