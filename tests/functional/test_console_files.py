"""Files of people in the console."""

import re
import tempfile
from uuid import UUID

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from populace.api.uploads import FRAMING
from populace.audit.actors import SYSTEM
from populace.audit.models import Event
from populace.bulk.formats.source import FILE_MAX
from populace.bulk.models import Job
from populace.groups.actions import create_group
from populace.groups.models import Role
from populace.infra.storage import storage
from populace.users.models import User
from tests.support.bulk import outcome, work
from tests.support.console import LOGIN, PEOPLE

pytestmark = pytest.mark.django_db

IMPORT, EXPORT, JOBS = "/console/import/", "/console/export/", "/console/jobs/"
FILE = b"User Name,email\nada,ada@example.com\nbob,no-address\n"


@pytest.fixture(autouse=True)
def files(monkeypatch, tmp_path):
    monkeypatch.setattr(storage(), "root", tmp_path)


def sent(browser, content=FILE, **fields):
    return browser.post(IMPORT, {"file": SimpleUploadedFile("people.csv", content), **fields})


def test_a_file_is_checked_first_and_then_imported(browser_of):
    """Guard: populace/console/files.py:repeated (as it was checked)."""
    browser = browser_of()
    before = User.objects.count()
    there = sent(browser, dry_run="yes")["Location"]
    checked = Job.objects.get()
    assert there == f"{JOBS}{checked.id}/"
    work(checked)
    assert (outcome(checked)[0], User.objects.count()) == ("succeeded", before)
    page = browser.get(there).text
    assert "Columns of the file" in page
    assert "Import it now" in page
    browser.post(f"{there}run/")
    work(Job.objects.exclude(pk=checked.pk).get())
    assert User.objects.filter(username="ada").exists()
    assert browser.post(f"{JOBS}{Job.objects.latest('id').id}/run/").status_code == 404


def test_what_the_file_does_not_say_is_said_beside_it(browser_of):
    """Guard: populace/console/files.py:_imported (options, welcome)"""
    browser = browser_of()
    sent(browser, options="base64_signer_key: c2VjcmV0\nrounds: 8", welcome="yes")
    job = Job.objects.get()
    assert job.options["options"] == {"base64_signer_key": "c2VjcmV0", "rounds": "8"}
    assert (job.options["welcome"], job.options["dry_run"]) == (True, False)
    assert "c2VjcmV0" not in browser.get(f"{JOBS}{job.id}/").text
    sent(browser)
    assert Job.objects.latest("id").options["welcome"] is False


def test_what_is_no_file_or_no_choice_is_told(browser_of):
    browser = browser_of()
    bad = [{"format": "<b>"}, {"rows": "x"}, {"options": "no words of an option"}, {"options": "x" * (1 << 17)}]
    for answer in (browser.post(IMPORT, {}), sent(browser, b""), *(sent(browser, **fields) for fields in bad)):
        assert (answer.status_code, 'role="alert"' in answer.text) == (400, True)
    assert Job.objects.count() == 0


def test_who_may_not_import_does_not(browser_of):
    """Guard: populace/console/files.py:import_page (may_import), repeated."""
    viewer, owner, manager = browser_of("viewer"), browser_of(), browser_of("manager")
    assert viewer.get(IMPORT).status_code == sent(viewer).status_code == 403
    assert IMPORT not in viewer.get(PEOPLE).text
    sent(manager, dry_run="yes")
    job = Job.objects.get()
    work(job)
    assert owner.post(f"{JOBS}{job.id}/run/").status_code == 403
    assert Job.objects.count() == 1


def test_a_body_too_large_for_its_page_is_refused_unread(browser_of):
    """Guards: populace/console/browser.py:_bounded, populace/console/files.py:body_limit."""
    owner, viewer = browser_of(), browser_of("viewer")
    large, larger = settings.BODY_LIMIT + 1, FILE_MAX + FRAMING + 1
    for browser, path, length in (
        (Client(), LOGIN, large),
        (Client(), IMPORT, large),
        (viewer, IMPORT, large),
        (owner, IMPORT, larger),
        (owner, EXPORT, large),
    ):
        answer = browser.post(path, {"a": "b"}, CONTENT_LENGTH=str(length))
        assert (answer.status_code, answer["Connection"]) == (413, "close"), (path, length)
    answer = owner.post(IMPORT, {"a": "b"}, HTTP_TRANSFER_ENCODING="chunked")
    assert (answer.status_code, answer["Connection"]) == (413, "close")


def test_a_large_file_comes_in_past_tmp(browser_of, monkeypatch):
    """Guards: config/settings.py:FILE_UPLOAD_TEMP_DIR, populace/console/files.py:body_limit."""
    browser = browser_of()
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    content = FILE + b"x" * settings.FILE_UPLOAD_MAX_MEMORY_SIZE
    assert sent(browser, content).status_code == 302
    assert b"".join(storage().blocks(f"jobs/{Job.objects.get().id}/source")) == content
    assert settings.FILE_UPLOAD_TEMP_DIR.stat().st_mode & 0o777 == 0o700


def test_a_list_is_exported_as_it_is_shown(browser_of, make_user):
    browser = browser_of()
    make_user(username="shown", email="x@crowd.example")
    make_user(username="hidden", email="y@crowd.example", is_active=False)
    assert EXPORT in browser.get(PEOPLE).text
    there = browser.post(EXPORT, {"list": "users", "format": "csv", "q": "crowd.example", "is_active": "true"})[
        "Location"
    ]
    work(UUID(re.search(r"[0-9a-f-]{36}", there)[0]))
    text = b"".join(browser.get(f"{there}result/").streaming_content).decode()
    assert "shown" in text
    assert "hidden" not in text
    assert browser.get(EXPORT).status_code == 405
    assert EXPORT not in browser_of("viewer").get(PEOPLE).text


def exported(browser, page):
    """Press the page's button; return the file."""
    form = re.search(r'<form method="post" action="/console/export/".*?</form>', browser.get(page).text, re.S)[0]
    asked = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
    asked.pop("csrfmiddlewaretoken", None)
    there = browser.post(EXPORT, asked | {"format": "csv"})["Location"]
    work(UUID(re.search(r"[0-9a-f-]{36}", there)[0]))
    return b"".join(browser.get(f"{there}result/").streaming_content).decode()


def test_groups_and_events_are_exported_as_they_are_shown(browser_of, make_user):
    browser = browser_of()
    shown, hidden = (make_user()["id"] for _ in range(2))
    create_group(by=SYSTEM, values={"name": "crowd"})
    assert '"crowd"' in exported(browser, "/console/groups/group/")
    assert EXPORT not in browser.get("/console/groups/group/?q=cro").text  # such a list is none that is served
    events = exported(browser, f"/console/events/?subject={shown}")
    assert shown in events
    assert hidden not in events
    assert "everything" in browser.get(f"{JOBS}{Job.objects.get(options__list='groups').id}/").text


@pytest.mark.parametrize(
    ("page", "fields"),
    [
        ("/console/events/?action=user.*", {"list": "events", "action": "user.*"}),
        ("/console/events/?subject=nobody", {"list": "events", "subject": "nobody"}),
        ("/console/users/user/?q=a+b+c+d+e", {"list": "users", "q": "a b c d e"}),
        ("/console/groups/group/?q=a", {"list": "groups", "q": "a"}),
        ("/console/groups/group/?q=a", {"list": "users", "email": "\0"}),
    ],
)
def test_what_is_no_list_has_no_button_and_is_refused(browser_of, page, fields):
    """Guards: populace/console/files.py:export_form (Refused), :export_page (every field that came)"""
    browser = browser_of()
    shown = browser.get(page)
    assert (shown.status_code, EXPORT in shown.text) == (200, False)
    assert browser.post(EXPORT, {"format": "csv"} | fields).status_code == 400


def test_no_list_is_exported_by_who_may_not_read_it(browser_of):
    """Guard: populace/console/files.py:export_page (permission, record_refusal)"""
    browser = browser_of("viewer")
    Role._base_manager.filter(name="viewer").update(permissions=["users:read", "groups:read", "jobs:read"])
    assert browser.post(EXPORT, {"list": "events", "format": "pdf"}).status_code == 403
    assert Event.objects.filter(action="authz.denied").count() == 1
    assert browser.post(EXPORT, {"list": "groups", "format": "csv"}).status_code == 302
