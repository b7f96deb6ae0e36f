"""A PATCH is a merge patch, whatever it is called, and nothing else."""

import json

import pytest

pytestmark = pytest.mark.django_db

USERS, GROUPS = "/api/v1/users", "/api/v1/groups"


@pytest.fixture(params=["user", "group"])
def path(request, client, make_user):
    if request.param == "user":
        return f"{USERS}/{make_user()['id']}"
    return client.post(GROUPS, {"name": "Staff"}).headers["Location"]


@pytest.mark.parametrize(
    "media", ["application/merge-patch+json", "application/json", "Application/JSON;charset=UTF-8"]
)
def test_these_are_merge_patches(client, path, media):
    """populace/api/parsers.py:check_media"""
    assert client.patch(path, "{}", content_type=media).status_code == 200


@pytest.mark.parametrize("media", ["application/json-patch+json", "text/json", "application/x-www-form-urlencoded", ""])
def test_anything_else_is_refused(client, path, media):
    """populace/api/parsers.py:check_media"""
    before = client.get(path).content
    body = json.dumps([{"op": "replace", "path": "/name", "value": "x"}])
    response = client.patch(path, body, content_type=media)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")
    assert client.get(path).content == before
