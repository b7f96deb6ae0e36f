"""What the console lets whom do: only verbs change anything, and every page has its policy."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client, RequestFactory

from populace.audit.models import Event
from populace.console.browser import HEADERS
from populace.groups.models import Role
from populace.infra.db.guarded import OutsideVerb
from populace.users.models import User
from tests.support.console import (
    EVENTS,
    GROUPS,
    LOGIN,
    PEOPLE,
    actions_about,
    page_of,
    sign_in,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("role", "open_to", "closed_to"),
    [("viewer", (PEOPLE, GROUPS), (EVENTS,)), ("auditor", (PEOPLE, GROUPS, EVENTS), ())],
)
def test_a_role_opens_what_it_names(browser_of, role, open_to, closed_to):
    browser = browser_of(role)
    assert [browser.get(path).status_code for path in open_to] == [200] * len(open_to)
    assert [browser.get(path).status_code for path in closed_to] == [403] * len(closed_to)
    assert ("/console/events/" in browser.get(PEOPLE).text) == (EVENTS in open_to)


def test_a_persons_events_are_for_those_who_may_read_events(browser_of, make_user):
    person = make_user()
    assert "user.created" not in browser_of("viewer").get(page_of(person)).text


@pytest.mark.parametrize("role", ["viewer", "auditor"])
def test_who_may_only_read_has_no_buttons_and_no_verbs(browser_of, make_user, role):
    """Guard: populace/console/modeladmin.py:verb_view."""
    browser, person = browser_of(role), make_user()
    assert page_of(person, "deactivate") not in browser.get(page_of(person)).text
    assert browser.post(page_of(person, "deactivate")).status_code == 403
    assert User.objects.get(pk=person["id"]).is_active


def test_nobody_shuts_out_somebody_who_may_more(browser_of, insider):
    """A57, A31. Guard: the verb itself, populace/users/actions.py:deactivate_user."""
    insider()
    owner, browser = insider(), browser_of("helpdesk")
    assert browser.post(page_of(owner, "deactivate")).status_code == 403
    assert User.objects.get(pk=owner["id"]).is_active


@pytest.mark.parametrize(("permission", "to"), [("events:read", EVENTS), ("groups:read", GROUPS)])
def test_the_first_page_is_one_that_the_person_may_see(insider, permission, to):
    Role._base_manager.bulk_create([Role(name="odd", permissions=[permission])])
    client = Client()
    sign_in(client, insider("odd")["username"])
    assert client.get("/console/").headers["Location"] == to
    assert client.get(to).status_code == 200


def test_a_role_without_pages_has_a_page_that_says_so(insider):
    Role._base_manager.bulk_create([Role(name="scraper", permissions=["metrics:read"])])
    client = Client()
    sign_in(client, insider("scraper")["username"])
    assert client.get("/console/").status_code == 403


# Verbs


def test_deactivating_and_activating_are_the_verbs_of_the_api(browser_of, make_user):
    """A57. Guard: populace/console/modeladmin.py:verb_view."""
    browser, person = browser_of(), make_user()
    assert "Active" in browser.get(page_of(person)).text
    for verb, is_active, said in (("deactivate", False, "Deactivated"), ("activate", True, "Activated")):
        assert page_of(person, verb) in browser.get(page_of(person)).text
        answer = browser.post(page_of(person, verb), headers={"User-Agent": "Lynx"}, follow=True)
        assert answer.redirect_chain == [(page_of(person), 302)]
        assert said in answer.text
        assert User.objects.get(pk=person["id"]).is_active is is_active
    assert actions_about(person["id"]) == ["user.created", "user.deactivated", "user.activated"]
    event = Event.objects.get(subject_id=person["id"], action="user.deactivated")
    assert str(event.actor) == browser.person["id"]
    assert event.details["user_agent"] == "Lynx"
    assert event.details["address"] == "127.0.0.1"
    assert event.request_id
    assert LogEntry.objects.count() == 0


def test_the_last_owner_stays(browser_of):
    browser = browser_of()
    answer = browser.post(page_of(browser.person, "deactivate"), follow=True)
    assert User.objects.get(pk=browser.person["id"]).is_active
    assert answer.status_code == 200
    assert "owner" in answer.text


def test_a_verb_is_never_a_get_and_needs_a_form_of_ours(browser_of, make_user):
    browser, person = browser_of(), make_user()
    assert browser.get(page_of(person, "deactivate")).status_code == 405
    assert browser.post(page_of(person, "erase")).status_code == 404
    strict = Client(enforce_csrf_checks=True)
    strict.cookies["populace_session"] = browser.cookies["populace_session"].value
    assert strict.post(page_of(person, "deactivate")).status_code == 403
    assert User.objects.get(pk=person["id"]).is_active


@pytest.mark.parametrize("tail", ["delete/", "history/", "add/", "password/"])
def test_what_django_would_write_has_no_page(browser_of, make_user, tail):
    """A57. Guard: populace/console/modeladmin.py:get_urls."""
    browser, person = browser_of(), make_user()
    for path in (f"{PEOPLE}{tail}", f"{PEOPLE}{person['id']}/{tail}"):
        assert browser.get(path).status_code in (404, 405)
        assert browser.post(path).status_code == 404
    for path in ("/console/password_change/", "/console/autocomplete/", "/console/r/1/1/"):
        assert browser.get(path).status_code == 404


def test_a_posted_form_changes_nothing(browser_of, make_user):
    browser, person = browser_of(), make_user()
    before = User.objects.get(pk=person["id"])
    assert browser.post(page_of(person), {"first_name": "Mallory", "_save": "Save"}).status_code == 403
    browser.post(PEOPLE, {"action": "delete_selected", "_selected_action": person["id"], "index": "0", "post": "yes"})
    after = User.objects.get(pk=person["id"])
    assert (after.first_name, after.version) == (before.first_name, before.version)


def test_every_way_by_which_the_admin_writes_raises():
    """Guard: populace/console/modeladmin.py:ConsoleAdmin._refuse."""
    from populace.console.site import site

    assert site._registry
    for admin in site._registry.values():
        request = RequestFactory().post("/")
        for write in (
            lambda: admin.save_model(request, None, None, True),  # noqa: B023
            lambda: admin.save_related(request, None, [], True),  # noqa: B023
            lambda: admin.save_formset(request, None, None, True),  # noqa: B023
            lambda: admin.delete_model(request, None),  # noqa: B023
            lambda: admin.delete_queryset(request, None),  # noqa: B023
            lambda: admin.log_change(request, None, ""),  # noqa: B023
            lambda: admin.delete_view(request, ""),  # noqa: B023
        ):
            with pytest.raises(OutsideVerb):
                write()


def test_every_page_has_the_policy_and_headers(browser_of, make_user):
    """A56. Guard: populace/console/browser.py:HEADERS."""
    browser, person = browser_of(), make_user()
    pages = [Client().get(LOGIN), Client().get(PEOPLE)]
    pages += [browser.get(path) for path in (PEOPLE, page_of(person), GROUPS, EVENTS, "/console/nothing/")]
    for response in pages:
        for name, value in HEADERS.items():
            assert response.headers[name] == value
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "no-store" in response.headers["Cache-Control"]
        assert "Strict-Transport-Security" not in response.headers
    policy = HEADERS["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval';" in policy
    for part in ("frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'", "form-action 'self'"):
        assert part in policy


def test_no_page_holds_a_script_of_its_own(browser_of, make_user):
    browser, person = browser_of(), make_user()
    for path in (LOGIN, PEOPLE, page_of(person), GROUPS, EVENTS):
        text = browser.get(path).text
        assert not re.findall(r"<script(?![^>]*(?:src=|application/json))", text)
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)


def test_production_says_https_only(browser_of, settings):
    settings.LOCAL = False
    assert Client().get(LOGIN).headers["Strict-Transport-Security"].startswith("max-age=")


def test_the_api_has_none_of_it(client, browser_of, make_user):
    """A cookie opens nothing there, and costs nothing."""
    browser, person = browser_of(), make_user()
    assert browser.get(f"/api/v1/users/{person['id']}").status_code == 401
    response = client.get(f"/api/v1/users/{person['id']}")
    assert not response.cookies
    assert "Content-Security-Policy" not in response.headers


def test_style_sheets_are_served_and_nothing_else_is():
    response = Client().get("/static/unfold/css/styles.css")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/css")
    assert response.headers["Cache-Control"] == "max-age=600, public"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    for path in ("/static/", "/static/../config/settings.py", "/static/unfold", "/static/%2e%2e/manage.py"):
        assert Client().get(path).status_code == 404
