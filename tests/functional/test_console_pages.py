"""What the console's pages show, and what each costs."""

import re
from functools import partial
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from populace.groups.models import Group, Membership
from populace.users.actions import deactivate_user, erase_user
from populace.users.models import User
from populace.users.search_parts import search
from tests.support.console import EVENTS, FORM, GROUPS, LOGIN, PEOPLE, STATEMENTS, link, page_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def many(make_user):
    """120 people, of whom every third has a name beginning with Zz and every fifth is deactivated."""
    return [
        make_user(first_name=f"Zzoe{n}" if n % 3 == 0 else f"Bob{n}", is_active=n % 5 != 0, last_name="O'Neil")
        for n in range(120)
    ]


def shown(response):
    return re.findall(rf'<th class="field-person[^>]*>.*?{PEOPLE}([0-9a-f-]{{36}})/change/', response.text, re.DOTALL)


def walked(browser, path):
    """Follow `next` to the end; return the ids of each page."""
    pages = []
    while path:
        with CaptureQueriesContext(connection) as asked:
            response = browser.get(path)
        assert len(asked) <= STATEMENTS, [query["sql"][:200] for query in asked]
        assert not any("COUNT(" in query["sql"] for query in asked)
        pages.append(shown(response))
        tail = link(response, "next")
        path = tail and PEOPLE + tail
    return pages


def test_the_list_of_people_is_walked_to_its_end_at_four_statements_a_page(browser_of, many):
    browser = browser_of()
    pages = walked(browser, PEOPLE)
    assert [len(page) for page in pages] == [50, 50, 21]
    expected = User.objects.order_by("-date_joined", "-id").values_list("pk", flat=True)
    assert [key for page in pages for key in page] == [str(key) for key in expected]


def test_previous_leads_back_by_the_same_pages(browser_of, many):
    browser = browser_of()
    first = browser.get(PEOPLE)
    second = browser.get(PEOPLE + link(first, "next"))
    third = browser.get(PEOPLE + link(second, "next"))
    assert link(first, "prev") is link(first, "first") is link(third, "next") is None
    assert shown(browser.get(PEOPLE + link(third, "prev"))) == shown(second)
    back = browser.get(PEOPLE + link(second, "prev"))
    assert shown(back) == shown(first)
    assert link(back, "prev") is None
    assert shown(browser.get(PEOPLE + link(third, "first"))) == shown(first)


def test_a_search_is_by_the_beginnings_of_words(browser_of, many):
    browser = browser_of()
    browser.get(PEOPLE + "?q=nobody")  # each process reads the statistics, and which indexes there are, once a minute
    found = {key for page in walked(browser, PEOPLE + "?q=zzOE") for key in page}
    assert found == {person["id"] for person in many if person["first_name"].startswith("Zz")}
    (one,) = walked(browser, PEOPLE + f"?q={many[3]['email']}")
    assert one == [many[3]["id"]]
    assert walked(browser, PEOPLE + "?q=oe") == [[]]
    assert walked(browser, PEOPLE + "?q=%25") == [[]]


def test_a_search_is_walked_back_too(browser_of, many):
    browser = browser_of()
    first = browser.get(PEOPLE + "?q=o%27neil")
    second = browser.get(PEOPLE + link(first, "next"))
    assert len(shown(first)) == len(shown(second)) == 50
    assert "q=o%27neil" in link(second, "prev")
    assert shown(browser.get(PEOPLE + link(second, "prev"))) == shown(first)


def test_a_search_that_has_found_nothing_yet_says_so(browser_of, many, monkeypatch):
    browser = browser_of()
    monkeypatch.setattr("populace.users.search_parts.search", partial(search, examined=5))
    unfinished = browser.get(PEOPLE + "?q=o%27neil+x")
    assert link(unfinished, "next")
    assert "look further" in unfinished.text
    finished = browser.get(PEOPLE + "?q=nobody-at-all")
    assert link(finished, "next") is None
    assert "Nothing matches" in finished.text
    assert "look further" not in finished.text


def test_the_state_filter_goes_with_list_and_search(browser_of, many):
    browser = browser_of()
    out = {person["id"] for person in many if not person["is_active"]}
    assert {key for page in walked(browser, PEOPLE + "?is_active=false") for key in page} == out
    both = {key for page in walked(browser, PEOPLE + "?q=zz&is_active=false") for key in page}
    assert both == {p["id"] for p in many if not p["is_active"] and p["first_name"].startswith("Zz")}


@pytest.mark.parametrize(
    "query",
    [
        "after=x",
        "after=[]",
        'after=["1","2"]',
        "after=%00",
        "before=[[",
        "o=1.-2",
        "p=5",
        "all=",
        "q=%00",
        "q=" + "a" * 300,
        "q=a&after=x",
        'q=a&after=["9","a","b"]',
        'q=a&after=[1e400,"a","01a21097-7465-77ce-9a69-ccb0cc532808"]',
        'q=a&after=[0,"\\ud800","01a21097-7465-77ce-9a69-ccb0cc532808"]',
        'q=a&before=["0","%00","b"]',
        'after=["\\ud800","01a21097-7465-77ce-9a69-ccb0cc532808"]',
        'after=["9999-12-31T23:59:59-23:00","01a21097-7465-77ce-9a69-ccb0cc532808"]',
        "_facets=1",
    ],
)
def test_a_broken_query_breaks_nothing(browser_of, query):
    browser = browser_of()
    response = browser.get(f"{PEOPLE}?{query}", follow=True)
    assert response.status_code == 200


@pytest.mark.parametrize("query", ["password__startswith=a", "date_joined__year=2020", "password=a"])
def test_nobody_filters_by_what_is_not_shown(browser_of, query):
    """A57: nor guesses a password's hash letter by letter. Guard: populace/console/modeladmin.py:lookup_allowed."""
    assert browser_of().get(f"{PEOPLE}?{query}").status_code == 400


def test_a_persons_page_shows_profile_groups_and_events(browser_of, make_user):
    person = make_user(first_name="<b>Eve</b>", attributes={"shoe": "<script>alert(1)</script>"}, phone="+43 1 234567")
    (group,) = Group._base_manager.bulk_create([Group(name="Night shift", name_normal="night shift")])
    Membership._base_manager.bulk_create([Membership(user_id=UUID(person["id"]), group=group, since=now())])
    browser = browser_of()
    with CaptureQueriesContext(connection) as asked:
        text = browser.get(page_of(person)).text
    assert len(asked) <= 9, [query["sql"][:200] for query in asked]
    for expected in ("&lt;b&gt;Eve&lt;/b&gt;", "+431234567", "Night shift", "user.created", "&lt;script&gt;alert(1)"):
        assert expected in text
    assert "<b>Eve" not in text
    assert "<script>alert" not in text
    assert 'name="_save"' not in text


def test_groups_and_a_group_are_shown(browser_of, make_user):
    browser, person = browser_of(), make_user()
    rows = [Group(name=f"Team {n:03}", name_normal=f"team {n:03}") for n in range(60)]
    groups = Group._base_manager.bulk_create(rows)
    Membership._base_manager.bulk_create([Membership(user_id=UUID(person["id"]), group=groups[7], since=now())])
    with CaptureQueriesContext(connection) as asked:
        first = browser.get(GROUPS)
    assert len(asked) <= STATEMENTS
    assert "Team 049" in first.text
    assert "Team 050" not in first.text
    assert "Team 050" in browser.get(GROUPS + link(first, "next")).text
    assert "Team 007" in browser.get(GROUPS + "?q=TEAM+007").text
    text = browser.get(f"{GROUPS}{groups[7].pk}/change/").text
    assert person["username"] in text


def dispatched():
    from populace.audit.dispatch import dispatch

    while dispatch():
        pass


def test_the_log_is_walked_newest_first(browser_of, many):
    browser = browser_of()
    dispatched()
    with CaptureQueriesContext(connection) as asked:
        first = browser.get(EVENTS)
    assert len(asked) <= STATEMENTS + 2  # the events of the feed's page, and names
    assert "auth.signed_in" in first.text
    times = re.findall(r'<time datetime="([^"]+)"', first.text)
    assert len(times) == 50
    assert times == sorted(times, reverse=True)
    second = browser.get(EVENTS + link(first, "next"))
    third = browser.get(EVENTS + link(second, "next"))
    assert re.findall(r'<time datetime="([^"]+)"', browser.get(EVENTS + link(third, "prev")).text) == re.findall(
        r'<time datetime="([^"]+)"', second.text
    )


def test_the_log_is_narrowed_to_one_subject_actor_or_action(browser_of, many):
    browser, person = browser_of(), many[0]
    about = browser.get(f"{EVENTS}?subject={person['id']}").text
    assert about.count("<time") == 1
    first = browser.get(f"{EVENTS}?action=user.created")
    assert first.text.count("<time") == 50
    assert browser.get(EVENTS + link(first, "next")).text.count("<time") == 50
    assert browser.get(f"{EVENTS}?actor={browser.person['id']}").text.count("<time") == 1
    for nothing in ("subject=x", "actor=%00", "action=%00", "action=nothing.such"):
        assert browser.get(f"{EVENTS}?{nothing}").text.count("<time") == 0


def test_changed_values_are_written_as_the_api_writes_them(browser_of, make_user, actor):
    person = make_user()
    deactivate_user(UUID(person["id"]), by=actor)
    text = browser_of().get(f"{EVENTS}?action=user.deactivated").text
    assert "<bdi>true</bdi> → <bdi>false</bdi>" in text


def test_erased_values_are_not_shown(browser_of, make_user):
    from populace.audit.actors import SYSTEM

    person = make_user(first_name="Secretia")
    erase_user(UUID(person["id"]), by=SYSTEM)
    text = browser_of().get(f"{EVENTS}?subject={person['id']}").text
    assert "Secretia" not in text
    assert "erased" in text


def test_what_is_not_there_is_a_page_of_its_own(browser_of):
    browser = browser_of()
    for path in (f"{PEOPLE}{uuid4()}/change/", f"{PEOPLE}x/change/", "/console/nothing/"):
        response = browser.get(path)
        assert response.status_code == 404
        assert "Not found" in response.text


def test_what_breaks_is_a_page_that_tells_nothing(browser_of, monkeypatch):
    browser = browser_of()
    for error, status in ((OperationalError("secret"), 503), (RuntimeError("secret"), 500)):

        def fail(*args, error=error, **options):
            raise error

        monkeypatch.setattr("populace.users.admin.UserAdmin.find", fail)
        response = browser.get(PEOPLE)
        assert response.status_code == status
        assert "secret" not in response.text
        assert response.headers["Content-Security-Policy"]


def test_a_huge_form_is_refused_in_a_page():
    response = Client().post(LOGIN, "username=" + "a" * (2 << 20), content_type=FORM)
    assert response.status_code == 413
    assert response.headers["Content-Security-Policy"]
