"""A32 over HTTP: nobody acts on somebody who may more, and the log tells who tried.

The verbs themselves are looked at in tests/functional/test_rights.py, the console in tests/functional/test_console.py.
(Passkeys, second factors and impersonation come with the issues that build them.)
"""

import pytest

from tests.support.doors import USERS, answered

GROUPS = "/api/v1/groups"


@pytest.fixture
def above(town, make, request):
    """The id of somebody who may more than a helpdesk: by their own role, or by a group above theirs."""
    name = request.node.name.partition("[")[0].replace("_", "-")
    if request.param == "by a role":
        return make(f"{name}-role", "manager")[0]
    person = make(f"{name}-group")[0]
    strong = town.http.post(GROUPS, json={"name": f"{name} Strong", "roles": ["auditor"]}).json()["id"]
    body = {"name": f"{name} Below", "parents": [strong]}
    below = town.http.post(GROUPS, json=body).json()["id"]
    town.http.post(f"{GROUPS}/{below}/members", json={"add": [person]}).raise_for_status()
    return person


@pytest.fixture
def upward(above):
    """Method, path and body of what changes the person, or what they get in by."""
    path = f"{USERS}/{above}"
    return [
        ("PATCH", path, {"email": "mine@example.com"}),
        ("POST", f"{path}/password", {"password": "correct horse battery"}),
        ("POST", f"{path}/deactivate", {}),
        ("POST", f"{path}/activate", {}),
        ("DELETE", path, {}),
    ]


def denied(town, actor_id):
    """Return the calls that events say were refused to this person."""
    events = town.http.get(f"/api/v1/events?subject={actor_id}&limit=200").json()["results"]
    found = [event for event in events if event["action"] == "authz.denied"]
    assert {event["actor"] for event in found} <= {actor_id}
    return sorted(event["changes"]["call"]["new"] for event in found)


@pytest.mark.parametrize("above", ["by a role", "by groups"], indirect=True)
def test_a32_nobody_acts_upwards_and_the_log_tells(town, make, same, request, above, upward):
    """Guards: populace/groups/guards.py:may_act_on; populace/api/views.py:LeanView.handle_exception."""
    helper_id, helper = make(f"helper-{request.node.callspec.id.replace(' ', '-')}", "helpdesk")
    same()
    for method, path, body in upward:
        assert answered(helper.request(method, path, json=body)) == ("forbidden", "", 403)
    assert denied(town, helper_id) == sorted(f"{method} {path}" for method, path, _ in upward)


@pytest.mark.parametrize("above", ["by a role", "by groups"], indirect=True)
def test_a32_nobody_mints_the_token_of_somebody_who_may_more(town, make, same, request, above):
    """Guard: populace/credentials/actions.py:_check_owner. The token is narrower than its owner."""
    scopes = ["tokens:write", "users:read", "users:write"]
    minter_id, minter = make(f"minter-{request.node.callspec.id.replace(' ', '-')}", "owner", scopes=scopes)
    body = {"name": "theirs", "scopes": ["users:read"], "owner": above}
    theirs = town.http.post("/api/v1/tokens", json=body).json()["id"]
    same()
    calls = [
        ("POST", "/api/v1/tokens"),
        ("POST", f"/api/v1/tokens/{theirs}/rotate"),
        ("DELETE", f"/api/v1/tokens/{theirs}"),
    ]
    for method, path in calls:
        response = minter.request(method, path, json=body if path.endswith("tokens") else {})
        assert answered(response) == ("forbidden", "", 403)
    assert denied(town, minter_id) == sorted(f"{method} {path}" for method, path in calls)


@pytest.mark.parametrize("above", ["by a role"], indirect=True)
def test_a32_who_may_change_nobody_is_told_of_in_the_log_too(town, make, same, above, upward):
    """Guard: populace/api/authentication.py:require; populace/api/views.py:LeanView.handle_exception."""
    member_id, member = make("plain-member")
    same()
    for method, path, body in upward:
        assert answered(member.request(method, path, json=body)) == ("forbidden", "", 403)
    assert len(denied(town, member_id)) == len(upward)
