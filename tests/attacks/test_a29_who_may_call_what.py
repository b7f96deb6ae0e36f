"""A29, its part without organisations: every endpoint, method and role, against the table in the docs."""

from uuid import uuid4

import pytest

from tests.support.endpoints import documented, documented_roles, endpoints, refused_methods

pytestmark = pytest.mark.django_db

ROLES = ["nobody", *documented_roles()]


def test_the_page_names_every_call_and_role():
    from populace.groups.models import Role
    from tests.support.roles import ship

    ship()
    assert set(documented()) == set(endpoints())
    assert documented_roles() == {role.name: set(role.permissions) for role in Role.objects.all()}


@pytest.mark.parametrize("role", ROLES)
def test_a29_each_role_may_call_exactly_what_the_page_says(role, token, client_of, make_user, settings):
    """Guard: populace/api/authentication.py:HasScope.

    The path names a random id, so whoever may learns that nothing is there.
    """
    settings.LOCAL = False  # /metrics asks, too
    caller = client_of(token("admin", role=None if role == "nobody" else role))
    allowed = documented_roles().get(role, set())
    for endpoint, permission in documented().items():
        response = caller.generic(endpoint.method, endpoint.at(id=str(uuid4())), "{}", content_type="application/json")
        if permission in allowed:
            assert response.status_code in (200, 400, 404, 415), endpoint  # 415: no form
        else:
            assert response.status_code == 403, endpoint
            assert endpoint.method == "HEAD" or response.json()["code"] == "forbidden", endpoint


def test_a29_without_a_token_nothing_answers(client_of, settings):
    """Guard: populace/api/authentication.py:require."""
    settings.LOCAL = False
    for endpoint in endpoints():
        response = client_of(None).generic(endpoint.method, endpoint.at(id=str(uuid4())), "{}")
        assert response.status_code == 401, endpoint


def test_a29_what_no_view_answers_is_refused_to_everybody(client_of, client):
    """Guard: populace/api/views.py:LeanView.dispatch."""
    for endpoint in refused_methods():
        for caller in (client, client_of(None)):
            response = caller.generic(endpoint.method, endpoint.at(id=str(uuid4())), "{}")
            assert response.status_code == 405, endpoint


def test_a29_who_may_not_look_cannot_tell_what_is_there(token, client_of, make_user):
    """Guard: populace/api/views.py:LeanView.initial checks before the document is looked at."""
    caller, there = client_of(token("admin", role=None)), make_user()["id"]
    answers = []
    for id in (there, str(uuid4()), "x"):
        response = caller.get(f"/api/v1/users/{id}")
        body = response.json() | {"instance": ""}
        answers.append((response.status_code, body, sorted(response.headers)))
    assert answers[0] == answers[1] == answers[2]
