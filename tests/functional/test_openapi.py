"""The schema that is served: complete, valid, and as the routes are."""

import json
import re

import jsonschema_rs
import pytest

from populace.api.schema.calls import CALLS, OPEN_LOCALLY
from populace.api.schema.document import described, routes
from tests.support.endpoints import documented, endpoints
from tests.support.openapi import Contract

pytestmark = pytest.mark.django_db

SCHEMA, VIEWER = "/api/v1/openapi.json", "/api/docs"


@pytest.fixture(scope="module")
def contract():
    return Contract(json.loads(json.dumps(described())))


def test_every_call_of_the_router_is_described_and_no_other(contract):
    """populace/api/schema/document.py:routes"""
    called = {(method, path) for method, path in endpoints() if method != "HEAD"}
    said = {(method.upper(), path) for path, calls in contract.document["paths"].items() for method in calls}
    assert said == called == set(CALLS)


def test_every_call_names_the_permission_that_the_rights_page_names(contract):
    """Of an export any of three will do to ask; which one is needed, its body says."""
    others = {("POST", "/api/v1/exports"): ["groups:read", "events:read"]}
    for endpoint, permission in documented().items():
        if endpoint.method != "HEAD":
            named = [{"token": [one]} for one in (permission, *others.get(endpoint, ()))]
            said = contract.operation(*endpoint)["security"]
            assert said == [*named, *([{}] if endpoint.path in OPEN_LOCALLY else [])], endpoint


def test_every_call_has_a_name_of_its_own():
    assert len({call.name for call in CALLS.values()}) == len(CALLS)


def test_every_body_is_a_json_schema_and_every_example_keeps_to_it(contract):
    for name, shape in contract.document["components"]["schemas"].items():
        jsonschema_rs.meta.validate({**shape, "$schema": "https://json-schema.org/draft/2020-12/schema"})
        assert shape.get("description") or "properties" in shape or name == "Schema"
    for (method, path), call in CALLS.items():
        if call.example is not None:
            body = contract.operation(method, path)["requestBody"]["content"][call.media or "application/json"]
            assert contract.errors(body["schema"], call.example) == [], (method, path)
            assert body["examples"][call.name]["value"] == call.example


def test_every_reference_leads_somewhere(contract):
    text = json.dumps(contract.document)
    for kind, name in set(re.findall(r'"#/components/(\w+)/([\w-]+)"', text)):
        assert name in contract.document["components"][kind]


def test_every_call_that_takes_something_has_an_example():
    assert [key for key, call in CALLS.items() if call.takes not in ("", "Nothing") and call.example is None] == []


def test_a_list_takes_what_the_document_says(contract):
    for _, path, view in routes():
        if hasattr(view, "parameters"):
            said = {each.get("name") for each in contract.operation("GET", path)["parameters"]}
            assert said >= {name.rstrip(".") for name in view.parameters} | {"limit", "cursor", "fields"}


def test_it_is_served_openly_in_local_mode_and_not_sent_twice(client_of):
    """populace/api/schema/views.py:Schema.get"""
    response = client_of(None).get(SCHEMA)
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    assert response.json()["openapi"].startswith("3.1.")
    again = client_of(None).get(SCHEMA, headers={"If-None-Match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client_of(None).get(SCHEMA, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("path", [SCHEMA, VIEWER])
def test_elsewhere_it_asks_for_a_token(settings, client_of, token, path):
    """populace/api/views.py:InternalView.initial"""
    settings.LOCAL = False
    assert client_of(None).get(path).status_code == 401
    assert client_of(token("users:read")).get(path).json()["code"] == "scope"
    assert client_of(token("metrics:read")).get(path).status_code == 200


def test_the_viewer_names_nothing_that_is_not_here(client_of):
    page = client_of(None).get(VIEWER)
    assert page["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in page["Content-Security-Policy"]
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
    assert len(files) == 4
    assert [client_of(None).get(file).status_code for file in files] == [200] * 4
    assert not re.search(r"https?://", page.text)
