"""Jobs in the console, and what is done there to many people at once."""

import json
import re
from uuid import UUID

import pytest
from django.test import Client

from populace.audit.actors import Actor
from populace.audit.models import Event
from populace.audit.permissions import ALL
from populace.bulk.actions import create_job
from populace.bulk.imports import import_job, request_import
from populace.bulk.kinds import KINDS
from populace.bulk.models import Job
from populace.infra.storage import storage
from populace.users.models import User
from tests.support.bulk import AT, outcome, work
from tests.support.console import FORM, PEOPLE, link
from tests.support.jobs import COUNTING, counting

pytestmark = pytest.mark.django_db

JOBS, BULK = "/console/jobs/", "/console/bulk/"


@pytest.fixture(autouse=True)
def kind(monkeypatch, tmp_path):
    monkeypatch.setitem(KINDS, "count", COUNTING)
    monkeypatch.setattr(storage(), "root", tmp_path)


def job_of(person, **options):
    return create_job(counting(**options), by=Actor(UUID(person["id"]), permissions=ALL))


def crowd(make_user, number=7):
    return [make_user(email=f"p{n}@{AT}")["id"] for n in range(number)]


def field(response, name):
    return re.search(rf'name="{name}" value="([^"]*)"', response.text)[1]


def inactive():
    return User.objects.filter(is_active=False).count()


def test_ones_own_jobs_are_listed_and_an_owner_sees_all(browser_of):
    manager, owner = browser_of("manager"), browser_of()
    job, other = job_of(manager.person, until=7), job_of(owner.person, until=7)
    seen = [[f"{JOBS}{one.id}/" in browser.get(JOBS).text for one in (job, other)] for browser in (manager, owner)]
    assert seen == [[True, False], [True, True]]
    assert manager.get(f"{JOBS}{other.id}/").status_code == 404
    assert manager.get(f"{JOBS}nonsense/").status_code == 404
    assert owner.get(f"{JOBS}{job.id}/").status_code == 200


def test_who_may_not_see_jobs_sees_none(browser_of):
    viewer = browser_of("viewer")
    job = job_of(browser_of().person, until=7)
    for path in (JOBS, f"{JOBS}{job.id}/", f"{JOBS}{job.id}/errors/", f"{JOBS}{job.id}/result/"):
        assert viewer.get(path).status_code == 403
    assert viewer.post(f"{JOBS}{job.id}/cancel/").status_code == 403
    assert JOBS not in viewer.get(PEOPLE).text
    assert Client().get(JOBS).status_code == 302


def test_a_page_of_jobs_leads_on_and_back(browser_of, monkeypatch):
    monkeypatch.setattr("populace.console.keyset.PER_PAGE", 2)
    monkeypatch.setattr("populace.bulk.actions.OPEN_MAX", 9)
    browser = browser_of()
    ids = [str(job_of(browser.person, until=1).id) for _ in range(5)][::-1]

    def shown(query=""):
        response = browser.get(JOBS + query)
        return [one for one in ids if f"{JOBS}{one}/" in response.text], lambda rel: link(response, rel)

    first, links = shown()
    second, further = shown(links("next"))
    assert (first, second) == (ids[:2], ids[2:4])
    assert shown(further("prev"))[0] == first


def test_a_job_shows_how_far_it_has_come_and_looks_again_while_it_is_open(browser_of):
    browser = browser_of()
    job = job_of(browser.person, until=7, bad=[2], file=True)
    text = browser.get(f"{JOBS}{job.id}/").text
    assert "Waiting" in text
    assert "data-refresh" in text
    chunks = iter(range(9))

    def stopping():
        if next(chunks) == 1:
            page = browser.get(f"{JOBS}{job.id}/").text
            assert "42 %" in page
            assert 'aria-valuenow="42"' in page
            assert "3 of 7" in page
        return False

    work(job, stopping=stopping)
    text = browser.get(f"{JOBS}{job.id}/").text
    assert ("Done" in text, "data-refresh" in text, "Counted" in text) == (True, False, True)
    assert f"{JOBS}{job.id}/result/" in text
    assert f"{JOBS}{job.id}/errors/" in text


def test_no_script_stands_in_the_page(browser_of):
    """The policy would not run it. Guard: populace/console/static/console/refresh.js is a file of its own."""
    browser = browser_of()
    job = job_of(browser.person, until=7)
    for path in (JOBS, f"{JOBS}{job.id}/"):
        response = browser.get(path)
        assert "/static/console/refresh.js" in response.text
        assert "'unsafe-inline'" not in response["Content-Security-Policy"].split("script-src")[1].split(";")[0]
    assert browser.get("/static/console/refresh.js").status_code == 200


def test_a_job_is_cancelled_by_a_button(browser_of):
    browser = browser_of()
    job = job_of(browser.person, until=7)
    assert f"{JOBS}{job.id}/cancel/" in browser.get(f"{JOBS}{job.id}/").text
    assert browser.get(f"{JOBS}{job.id}/cancel/").status_code == 405
    assert browser.post(f"{JOBS}{job.id}/cancel/")["Location"] == f"{JOBS}{job.id}/"
    assert "Stopping" in browser.get(f"{JOBS}{job.id}/").text
    work(job)
    assert outcome(job)[0] == "cancelled"
    assert browser.post(f"{JOBS}{job.id}/explode/").status_code == 404


def test_a57_what_a_job_made_is_its_owners_alone(browser_of):
    """Guards: populace/bulk/admin.py:_own, populace/bulk/actions.py:fetched."""
    manager, owner = browser_of("manager"), browser_of()
    job = job_of(manager.person, until=7, bad=[2], file=True)
    work(job)
    for what in ("result", "errors"):
        assert owner.get(f"{JOBS}{job.id}/{what}/").status_code == 404
        assert f"{JOBS}{job.id}/{what}/" not in owner.get(f"{JOBS}{job.id}/").text
    answer = manager.get(f"{JOBS}{job.id}/result/")
    assert b"".join(answer.streaming_content) == b"".join(b"%d\n" % n for n in range(7))
    assert "no-store" in answer["Cache-Control"]
    assert b"An odd one" in b"".join(manager.get(f"{JOBS}{job.id}/errors/").streaming_content)
    assert Event.objects.get(action="export.downloaded").actor == UUID(manager.person["id"])


def test_bad_rows_of_an_import_come_in_its_format(browser_of, tmp_path):
    """Guard: populace/api/jobs.py:error_file (the kind's own file)."""
    browser = browser_of()
    path = tmp_path / "people.jsonl"
    path.write_text('{"username": "a b"}\n')
    by = Actor(UUID(browser.person["id"]), permissions=ALL)
    job = request_import(import_job(), path, by=by, filename=path.name, content_type="application/jsonl")
    work(job.id)
    answer = browser.get(f"{JOBS}{job.id}/errors/")
    assert json.loads(b"".join(answer.streaming_content))["username"] == "a b"
    assert ".errors.jsonl" in answer["Content-Disposition"]


def test_a_form_from_elsewhere_does_nothing(browser_of):
    browser = browser_of()
    job = job_of(browser.person, until=7)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser.cookies
    assert strict.post(f"{JOBS}{job.id}/cancel/", "", content_type=FORM).status_code == 403
    assert strict.post(BULK, "action=erase&typed=", content_type=FORM).status_code == 403
    assert not Job.objects.get().cancel_asked


# Many people at once


def test_the_list_leads_to_all_that_match(browser_of, make_user):
    crowd(make_user, 2)
    text = browser_of().get(f"{PEOPLE}?q={AT}&is_active=true").text
    there = re.search(rf'href="({BULK}[^"]*)"', text)[1].replace("&amp;", "&")
    form = browser_of().get(there).text
    assert f'name="q" value="{AT}"' in form
    assert '<option value="true" selected>' in form
    assert BULK not in browser_of("viewer").get(PEOPLE).text
    assert browser_of("viewer").get(BULK).status_code == 403


def test_it_is_looked_at_and_then_done(browser_of, make_user):
    browser = browser_of()
    crowd(make_user)
    given = {"action": "deactivate", "domain": AT}
    look = browser.post(BULK, given)
    assert "7 of 7" in " ".join(look.text.split())
    assert (Job.objects.count(), inactive()) == (0, 0)
    started = browser.post(BULK, given | {"confirm": field(look, "confirm"), "typed": ""})
    job = Job.objects.get()
    assert started["Location"] == f"{JOBS}{job.id}/"
    assert "Bulk action: deactivate" in browser.get(started["Location"]).text
    work(job)
    assert (outcome(job)[0], inactive()) == ("succeeded", 7)
    assert {event.actor for event in Event.objects.filter(action="user.deactivated")} == {UUID(browser.person["id"])}


def test_it_is_undone_by_a_button(browser_of, make_user):
    browser = browser_of()
    crowd(make_user)
    given = {"action": "deactivate", "domain": AT}
    browser.post(BULK, given | {"confirm": field(browser.post(BULK, given), "confirm"), "typed": ""})
    job = Job.objects.get()
    assert f"{JOBS}{job.id}/undo/" not in browser.get(f"{JOBS}{job.id}/").text
    early = browser.post(f"{JOBS}{job.id}/undo/", follow=True)
    assert "cancel it first" in early.text
    work(job)
    assert f"{JOBS}{job.id}/undo/" in browser.get(f"{JOBS}{job.id}/").text
    browser.post(f"{JOBS}{job.id}/undo/")
    undoing = Job.objects.get(kind="bulk_undo")
    work(undoing)
    assert (outcome(undoing)[2]["changed"], inactive()) == (7, 0)


@pytest.mark.parametrize(("action", "number"), [("deactivate", 1), ("erase", 1_000)])
def test_a33_many_and_whoever_is_erased_are_confirmed_by_typing(browser_of, make_user, monkeypatch, action, number):
    """Guard: populace/console/bulk_actions.py:_started."""
    for module in ("bulk.confirming", "bulk.preview", "console.bulk_actions"):
        monkeypatch.setattr(f"populace.{module}.UNCONFIRMED", number)
    browser = browser_of()
    crowd(make_user)
    given = {"action": action, "domain": AT}
    look = browser.post(BULK, given)
    assert "Type the number" in look.text
    confirmed = given | {"confirm": field(look, "confirm")}
    for wrong in ("", "6", "yes", "07", "-7"):
        answer = browser.post(BULK, confirmed | {"typed": wrong})
        assert (answer.status_code, "not the number" in answer.text) == (400, True)
    assert Job.objects.count() == 0
    assert browser.post(BULK, confirmed | {"typed": " 7 "}).status_code == 302
    assert Job.objects.count() == 1


def test_a33_a_token_of_ones_own_making_confirms_nothing(browser_of, make_user, monkeypatch):
    """Guard: populace/bulk/confirming.py:_opened."""
    monkeypatch.setattr("populace.bulk.confirming.UNCONFIRMED", 1)
    crowd(make_user)
    given = {"action": "deactivate", "domain": AT, "confirm": "1.1.x", "typed": "1"}
    answer = browser_of().post(BULK, given)
    assert (answer.status_code, Job.objects.count()) == (400, 0)


def test_a33_whom_one_may_not_touch_is_told_and_left_out(browser_of, make_user, give_role):
    browser = browser_of("manager")
    ids = crowd(make_user)
    give_role(UUID(ids[0]), "owner")
    given = {"action": "deactivate", "domain": AT}
    look = browser.post(BULK, given)
    assert "They hold a right" in look.text
    confirm = {"confirm": field(look, "confirm"), "typed": ""}
    answer = browser.post(BULK, given | confirm)
    assert (answer.status_code, Job.objects.count()) == (400, 0)
    browser.post(BULK, given | confirm | {"partial": "yes"})
    work(Job.objects.get())
    assert inactive() == 6


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "action"),
        ({"action": "erase", "domain": "no domain"}, "domain"),
        ({"action": "erase", "domain": AT, "last_login_after": "2020-01-01"}, "Not served together"),
        ({"action": "add_to_group", "to_group": "Nowhere"}, "No group has this name"),
        ({"action": "update"}, "values"),
        ({"action": "update", "locale": "no such"}, "locale"),
        ({"action": "erase", "q": "<script>alert(1)</script> a b c d"}, "At most"),
    ],
)
def test_what_is_wrong_is_told_at_the_form(browser_of, given, told):
    answer = browser_of().post(BULK, given)
    assert (answer.status_code, told in answer.text) == (400, True)
    assert "<script>alert" not in answer.text
    assert Job.objects.count() == 0


def test_groups_go_by_name(browser_of, make_user, client):
    crowd(make_user)
    group = client.post("/api/v1/groups", {"name": "Crowd"}).json()["id"]
    browser, given = browser_of(), {"action": "add_to_group", "domain": AT, "to_group": " crowd "}
    browser.post(BULK, given | {"confirm": field(browser.post(BULK, given), "confirm"), "typed": ""})
    work(Job.objects.get())
    assert len(client.get(f"/api/v1/groups/{group}/members").json()["results"]) == 7
