"""The console's page of the attribute schema."""

import json

import pytest
from django.test import Client

from populace.users.models import AttributeSchema
from tests.support.console import FORM

pytestmark = pytest.mark.django_db

PAGE = "/console/attributes/"
SCHEMA = {"properties": {"department": {"type": "string", "indexed": True}}}


def test_an_owner_stores_a_schema_there(browser_of):
    browser = browser_of()
    assert PAGE in browser.get(PAGE).text
    response = browser.post(PAGE, {"schema": json.dumps(SCHEMA), "version": "0"}, follow=True)
    assert response.redirect_chain == [(PAGE, 302)]
    assert json.loads(AttributeSchema.objects.get().schema) == SCHEMA
    assert "being built" in response.text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"type": "array"}', "/type"),
        ('{"a": 1, "a": 2}', "names a key twice"),
        ("[]", "JSON object"),
        ("", "strict JSON"),
        ("[" * 100_000, "strict JSON"),
        ('{"<script>x": 1}', "&lt;script&gt;x"),
    ],
    ids=["type", "twice", "array", "empty", "deep", "markup"],
)
def test_what_is_no_schema_is_told_and_stays_in_the_form(browser_of, text, told):
    response = browser_of().post(PAGE, {"schema": text, "version": "0"})
    assert response.status_code == 400
    assert told in response.text
    assert not AttributeSchema.objects.exists()


def test_a_form_that_was_overtaken_stores_nothing(browser_of):
    browser = browser_of()
    browser.post(PAGE, {"schema": json.dumps(SCHEMA), "version": "0"})
    for version in ("0", "x", "", "9" * 30):
        response = browser.post(PAGE, {"schema": "{}", "version": version})
        assert (response.status_code, "meanwhile" in response.text) == (400, True)
    assert AttributeSchema.objects.count() == 1


def test_who_is_no_owner_sees_it_and_stores_nothing(browser_of):
    """Guard: populace/users/attributes_actions.py:replace_schema."""
    browser = browser_of("manager")
    assert "readonly" in browser.get(PAGE).text
    assert browser.post(PAGE, {"schema": "{}", "version": "0"}).status_code == 403
    assert browser.post(PAGE, {"schema": json.dumps(SCHEMA), "version": "0"}).status_code == 403
    assert not AttributeSchema.objects.exists()
    assert Client().get(PAGE).status_code == 302


def test_a_form_from_elsewhere_is_refused(browser_of):
    signed_in = browser_of()
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = signed_in.cookies
    body = "version=0&schema=%7B%22minProperties%22%3A0%7D"
    assert strict.post(PAGE, body, content_type=FORM).status_code == 403
    assert not AttributeSchema.objects.exists()
