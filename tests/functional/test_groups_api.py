"""/api/v1/groups, their members and the roles of people, over HTTP."""

import json
from uuid import UUID, uuid4

import pytest

from populace.audit.models import Event
from populace.groups.models import Membership

pytestmark = pytest.mark.django_db

GROUPS = "/api/v1/groups"


def codes(response):
    return {(fault["pointer"], fault["code"]) for fault in response.json()["errors"]}


@pytest.fixture
def make_group(client):
    """Return `make_group(name, **values) -> document`."""

    def make(name, **values):
        response = client.post(GROUPS, {"name": name} | values)
        assert response.status_code == 201, response.content
        return response.json()

    return make


def test_a_group_needs_only_a_name(client):
    response = client.post(GROUPS, {"name": "Staff"})
    group = response.json()
    assert (response.status_code, response["Location"]) == (201, f"{GROUPS}/{group['id']}")
    assert group == {
        "id": group["id"],
        "name": "Staff",
        "description": "",
        "roles": [],
        "parents": [],
        "version": 1,
    }
    again = client.get(response["Location"])
    assert (again.json(), again["ETag"]) == (group, response["ETag"])


@pytest.mark.parametrize("name", [None, "", "  ", "a\nb", "x" * 201, 7])
def test_a_name_is_one_line_of_text(client, name):
    response = client.post(GROUPS, {"name": name})
    assert {pointer for pointer, _ in codes(response)} == {"/name"}
    assert codes(client.post(GROUPS, {})) == {("/name", "required")}


@pytest.mark.django_db(transaction=True)
def test_two_groups_never_share_a_name(client, make_group):
    staff, other = make_group("Staff"), make_group("Other")
    for response in (
        client.post(GROUPS, {"name": "sTAFF"}),
        client.patch(f"{GROUPS}/{other['id']}", {"name": "STAFF"}),
    ):
        assert (response.status_code, response.json()["code"]) == (409, "name_taken")
    assert client.patch(f"{GROUPS}/{staff['id']}", {"name": "STAFF"}).json()["name"] == "STAFF"


def test_a_patch_changes_what_is_sent_and_counts_the_version(client, make_group):
    parent, group = make_group("Everybody"), make_group("Staff", description="all")
    path = f"{GROUPS}/{group['id']}"
    etag = client.get(path)["ETag"]
    changed = client.patch(
        path, {"roles": ["viewer"], "parents": [{"id": parent["id"]}]}, headers={"If-Match": etag}
    ).json()
    assert (changed["description"], changed["roles"], changed["version"]) == ("all", ["viewer"], 2)
    assert changed["parents"] == [{"id": parent["id"], "name": "Everybody"}]
    assert client.patch(path, changed).json() == changed  # what was read may be sent back
    assert client.patch(path, {"parents": [parent["id"]]}).json()["version"] == 2
    assert client.patch(path, {"name": "x"}, headers={"If-Match": etag}).status_code == 412
    assert codes(client.patch(path, {"version": 9})) == {("/version", "read_only")}
    event = Event.objects.get(subject_id=group["id"], action="group.updated")
    assert event.details["changes"] == {
        "roles": {"old": [], "new": ["viewer"]},
        "parents": {"old": [], "new": [parent["id"]]},
    }


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"roles": ["boss"]}, "/roles"),
        ({"parents": [str(uuid4())]}, "/parents"),
        ({"parents": ["x"]}, "/parents/0/id"),
        ({"parents": [{"id": str(uuid4()), "foo": 1}]}, "/parents/0/foo"),
        ({"roles": "viewer"}, "/roles"),
        ({"members": []}, "/members"),
        ({"id": str(uuid4())}, "/id"),
    ],
)
def test_what_a_group_cannot_be_is_told_by_its_place(client, values, pointer):
    response = client.post(GROUPS, {"name": "Staff"} | values)
    assert response.status_code == 400, response.content
    assert {place for place, _ in codes(response)} == {pointer}


def test_groups_are_listed_by_name_and_paged_both_ways(client, make_group):
    names = ["Ärzte", "alpha", "Beta", "delta", "Gamma"]
    for name in names:
        make_group(name)
    walked, path = [], f"{GROUPS}?limit=2"
    while path:
        page = client.get(path).json()
        walked.append([group["name"] for group in page["results"]])
        path = page["next"]
    assert walked == [["alpha", "Beta"], ["delta", "Gamma"], ["Ärzte"]]
    back = client.get(page["previous"]).json()
    assert [group["name"] for group in back["results"]] == ["delta", "Gamma"]
    assert client.get(f"{GROUPS}?fields=name").json()["results"][0] == {"name": "alpha"}
    assert client.get(f"{GROUPS}?nam=x").json()["code"] == "unknown_parameter"


def test_a_deleted_group_is_gone_and_its_members_stay(client, make_group, make_user):
    top, staff = make_group("Top", roles=["viewer"]), make_group("Staff")
    below = make_group("Below", parents=[staff["id"]])
    client.patch(f"{GROUPS}/{staff['id']}", {"parents": [top["id"]]})
    person, other = make_user(), make_user()
    client.post(f"{GROUPS}/{staff['id']}/members", {"add": [person["id"]]})
    client.post(f"{GROUPS}/{below['id']}/members", {"add": [other["id"]]})
    assert client.get(f"/api/v1/users/{other['id']}/roles").json()["permissions"] == ["groups:read", "users:read"]
    assert client.delete(f"{GROUPS}/{staff['id']}").status_code == 204
    assert client.get(f"{GROUPS}/{staff['id']}").status_code == 404
    assert client.delete(f"{GROUPS}/{staff['id']}").status_code == 404
    assert client.get(f"/api/v1/users/{person['id']}").json()["groups"] == []
    assert client.get(f"{GROUPS}/{below['id']}").json()["parents"] == []
    assert client.get(f"/api/v1/users/{other['id']}/roles").json()["permissions"] == []
    event = Event.objects.get(subject_id=staff["id"], action="group.deleted")
    assert event.details["changes"]["members"] == {"old": 1, "new": 0}


def test_members_come_and_go_and_nobody_else_is_touched(client, make_group, make_user):
    group, (a, b, c, bystander) = make_group("Staff"), [make_user()["id"] for _ in range(4)]
    path = f"{GROUPS}/{group['id']}/members"
    client.post(path, {"add": [a, bystander]})
    since = Membership.objects.get(user_id=bystander).since
    response = client.post(path, {"add": [a, b, c, b], "remove": [str(uuid4())]})
    assert (response.status_code, response.json()) == (200, {"added": [b, c], "removed": []})
    assert client.post(path, {"remove": [a, a, str(uuid4())]}).json() == {"added": [], "removed": [a]}
    assert [member["id"] for member in client.get(path).json()["results"]] == sorted([b, c, bystander])
    assert Membership.objects.get(user_id=bystander).since == since
    assert client.get(f"/api/v1/users/{b}").json()["groups"] == [{"id": group["id"], "name": "Staff"}]
    told = [(str(e.subject_id), e.action) for e in Event.objects.filter(action__startswith="group.member")]
    assert sorted(told) == sorted(
        [(one, "group.member_added") for one in (a, bystander, b, c)] + [(a, "group.member_removed")]
    )
    event = Event.objects.get(subject_id=a, action="group.member_removed")
    assert event.details["changes"] == {"group": {"old": {"id": group["id"], "name": "Staff"}, "new": None}}


def test_a_call_about_members_does_all_or_nothing(client, make_group, make_user):
    group, person = make_group("Staff"), make_user()["id"]
    path = f"{GROUPS}/{group['id']}/members"
    assert codes(client.post(path, {"add": [person, str(uuid4())]})) == {("/add/1", "not_found")}
    assert codes(client.post(path, {"add": [person, "x"]})) == {("/add/1", "invalid")}
    assert codes(client.post(path, {"add": [person], "remove": [person]})) == {("/remove", "invalid")}
    assert codes(client.post(path, {"members": [person]})) == {("/members", "unknown_field")}
    assert client.post(path, {"add": [person] * 1001}).json()["code"] == "too_many"
    assert client.post(f"{GROUPS}/{uuid4()}/members", {"add": [person]}).status_code == 404
    assert client.get(f"{GROUPS}/{uuid4()}/members").status_code == 404
    assert client.get(f"{GROUPS}/x/members").status_code == 404
    assert client.get(path).json()["results"] == []
    assert not Event.objects.filter(action__startswith="group.member").exists()


def test_a_thousand_members_are_one_call(client, make_group, django_assert_max_num_queries):
    from populace.infra.db.ids import new_id
    from populace.users.models import User

    ids = [new_id() for _ in range(1000)]
    User._base_manager.bulk_create([User(id=one) for one in ids])
    group = make_group("Staff")
    with django_assert_max_num_queries(30):
        response = client.post(f"{GROUPS}/{group['id']}/members", {"add": [str(one) for one in ids]})
    assert len(response.json()["added"]) == 1000
    assert Event.objects.filter(action="group.member_added").count() == 1000


def test_roles_are_given_and_taken_by_name(client, make_user, make_group):
    person = make_user()["id"]
    path = f"/api/v1/users/{person}/roles"
    assert client.get(path).json() == {"roles": [], "permissions": []}
    viewer = {"roles": ["viewer"], "permissions": ["groups:read", "users:read"]}
    assert client.post(path, {"add": ["viewer"]}).json() == viewer
    assert client.post(path, {"add": ["viewer"], "remove": ["owner"]}).json() == viewer
    group = make_group("Auditors", roles=["auditor"])
    client.post(f"{GROUPS}/{group['id']}/members", {"add": [person]})
    assert "events:read" in client.get(path).json()["permissions"]
    assert client.post(path, {"remove": ["viewer"]}).json()["roles"] == []
    assert codes(client.post(path, {"add": ["boss"]})) == {("/add", "unknown_role")}
    assert codes(client.post(path, {"add": ["viewer"], "remove": ["viewer"]})) == {("/remove", "invalid")}
    for unknown in (uuid4(), "x"):
        assert client.get(f"/api/v1/users/{unknown}/roles").status_code == 404
        assert client.post(f"/api/v1/users/{unknown}/roles", {"add": ["viewer"]}).status_code == 404
    changes = [e.details["changes"] for e in Event.objects.filter(subject_id=person, action="user.roles_changed")]
    assert {"roles": {"old": [], "new": ["viewer"]}} in changes
    assert len(changes) == 2


def test_a_service_account_holds_roles_and_tokens_like_a_person(client, client_of):
    made = client.post("/api/v1/users", {"kind": "service", "external_id": "ci"}).json()
    client.post(f"/api/v1/users/{made['id']}/roles", {"add": ["viewer"]})
    token = client.post("/api/v1/tokens", {"name": "ci", "scopes": ["admin"], "owner": made["id"]}).json()
    service = client_of(token["secret"])
    assert service.get(f"/api/v1/users/{made['id']}").status_code == 200
    refused = service.post("/api/v1/users", {"email": "x@example.com"})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def test_the_document_lists_parents_and_roles_in_order(client, make_group):
    tops = [make_group(name) for name in ("B", "A")]
    group = make_group("C", parents=[top["id"] for top in tops], roles=["viewer", "auditor"])
    assert group["roles"] == ["auditor", "viewer"]
    assert [parent["id"] for parent in group["parents"]] == sorted(top["id"] for top in tops)
    event = Event.objects.get(subject_id=group["id"])
    assert event.details["changes"]["name"] == {"old": None, "new": "C"}
    assert UUID(json.loads(json.dumps(group))["id"]).version == 7
