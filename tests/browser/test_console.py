"""The console as people meet it: a real Chromium before `populace up`. Screenshots lie in the run's temporary files."""

import re

import pytest

from tests.support.visitor import LOOKS

EVIL = {
    "username": "eve{{7*7}}",
    "email": "eve@example.org",
    "first_name": "<img src=x onerror=alert(1)>",
    "last_name": "\"'><script>alert(2)</script>",
    "external_id": "javascript:alert(3)",
    "attributes": {"x-data": "alert(4)", '"><svg onload=alert(5)>': "{{7*7}} {% now 'Y' %} ${7*7}"},
}


def people_links(page):
    return page.locator("#result_list a[href*='/change/']")


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_looks_as_it_should(visitor, populace, screenshots, look):
    window = visitor(look)
    window.go("/")

    def keep(name):
        window.page.screenshot(path=screenshots / f"{name}-{look}.png")
        assert not window.overflows()

    keep("sign-in")
    window.sign_in(populace)
    keep("people")
    assert people_links(window.page).count() == 50
    people_links(window.page).first.click()
    window.page.wait_for_url("**/change/")
    window.settle()
    assert window.page.get_by_text("Last events").is_visible()
    window.page.screenshot(path=screenshots / f"person-{look}-whole.png", full_page=True)
    keep("person")
    window.go("/console/groups/group/")
    keep("groups")
    window.go("/console/events/")
    assert window.page.locator("time").count() == 50
    keep("events")
    window.go("/console/users/user/?q=nobody-at-all")
    keep("nobody")


def test_a_wrong_password_is_told_in_words(visitor, screenshots):
    window = visitor()
    window.go("/")
    window.page.get_by_label("E-mail or user name").fill("admin")
    window.page.get_by_label("Password").fill("not this one")
    window.page.get_by_role("button", name="Log in").click()
    window.page.get_by_text("No console opens with this").wait_for()
    window.page.screenshot(path=screenshots / "sign-in-refused.png")


def test_pages_lead_on_and_back(visitor, populace):
    window = visitor()
    window.sign_in(populace)
    first = people_links(window.page).all_inner_texts()
    window.page.get_by_role("link", name="Next").click()
    window.page.wait_for_url(re.compile("after="))
    assert people_links(window.page).all_inner_texts() != first
    window.page.get_by_role("link", name="Previous").click()
    window.page.wait_for_url(re.compile("before="))
    assert people_links(window.page).all_inner_texts() == first


def test_a_person_is_deactivated_and_activated_by_a_button(visitor, populace, screenshots):
    window = visitor()
    window.sign_in(populace)
    people_links(window.page).nth(3).click()
    window.page.get_by_role("button", name="Deactivate").click()
    window.page.get_by_text("is refused").wait_for()
    window.page.screenshot(path=screenshots / "deactivated.png")
    window.page.get_by_role("button", name="Activate", exact=True).click()
    window.page.get_by_text("may sign in again").wait_for()
    assert window.page.get_by_role("button", name="Deactivate").is_visible()


def test_what_people_call_themselves_stays_text(visitor, populace, screenshots):
    """A55. Guard: Django's autoescape, and populace/console/texts.py:isolated."""
    with populace.client() as api:
        made = api.post("/users", json=EVIL)
        assert made.status_code == 201, made.text
        person = made.json()
    window = visitor()
    window.sign_in(populace)
    for path in (
        "users/user/",
        "users/user/?q=eve",
        "users/user/?q=%22%27%3E%3Cscript%3Ealert(6)%3C/script%3E",
        f"users/user/{person['id']}/change/",
        f"events/?subject={person['id']}",
        "events/?action=%22%27%3E%3Cscript%3Ealert(7)%3C/script%3E",
    ):
        window.go(f"/console/{path}")
        assert "49" not in window.page.locator("#content").inner_text().replace(person["id"], "")
    window.go(f"/console/users/user/{person['id']}/change/")
    window.page.screenshot(path=screenshots / "evil.png", full_page=True)
    assert window.page.get_by_text(EVIL["first_name"]).first.is_visible()
