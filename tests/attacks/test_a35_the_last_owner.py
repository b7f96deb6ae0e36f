"""A31, A32 and A35 over HTTP: nobody climbs, nobody acts upwards, and of two owners who leave at once one stays."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

USERS, GROUPS = "/api/v1/users", "/api/v1/groups"
ROUNDS = 12


@pytest.fixture(scope="module")
def make(town):
    """Return `make(name, *roles) -> (id, client)`; the token has scope admin."""
    clients = []

    def make(name, *roles):
        made = town.http.post(USERS, json={"email": f"{name}@example.com"}).json()
        town.http.post(f"{USERS}/{made['id']}/roles", json={"add": roles}).raise_for_status()
        body = {"name": name, "scopes": ["admin"], "owner": made["id"]}
        secret = town.http.post("/api/v1/tokens", json=body).json()["secret"]
        clients.append(httpx.Client(base_url=town.url, headers={"Authorization": f"Bearer {secret}"}, timeout=10))
        return made["id"], clients[-1]

    yield make
    for client in clients:
        client.close()


def refused(response, code="forbidden", status=403):
    assert (response.status_code, response.json()["code"]) == (status, code), response.request.url


def test_a31_a_manager_does_not_climb_by_groups(town, make, same):
    """Guard: populace/groups/guards.py:check_held."""
    me, manager = make("climber", "manager")
    strong = town.http.post(GROUPS, json={"name": "Admins", "roles": ["owner"]}).json()["id"]
    weak = manager.post(GROUPS, json={"name": "Weak"}).json()["id"]
    below = manager.post(GROUPS, json={"name": "Below", "parents": [weak]}).json()["id"]
    same()
    refused(manager.post(f"{GROUPS}/{strong}/members", json={"add": [me]}))
    refused(manager.post(f"{USERS}/{me}/roles", json={"add": ["owner"]}))
    refused(manager.patch(f"{GROUPS}/{weak}", json={"roles": ["auditor"]}))
    refused(manager.patch(f"{GROUPS}/{weak}", json={"parents": [strong]}))
    refused(manager.post(GROUPS, json={"name": "New", "parents": [strong]}))
    refused(manager.patch(f"{GROUPS}/{strong}", json={"name": "Renamed"}))
    refused(manager.delete(f"{GROUPS}/{strong}"))
    refused(manager.patch(f"{GROUPS}/{weak}", json={"parents": [below]}), "cycle", 409)
    refused(manager.patch(f"{GROUPS}/{weak}", json={"parents": [weak]}), "cycle", 409)


def test_a32_nobody_acts_upwards(town, make, same):
    """Guard: populace/groups/guards.py:may_act_on."""
    _, helper = make("helper", "helpdesk")
    manager_id, _ = make("above", "manager")
    same()
    path = f"{USERS}/{manager_id}"
    refused(helper.patch(path, json={"email": "mine@example.com"}))
    refused(helper.post(f"{path}/password", json={"password": "correct horse battery"}))
    refused(helper.post(f"{path}/deactivate"))
    refused(helper.post(f"{path}/activate"))
    refused(helper.delete(path))


@pytest.mark.parametrize("how", ["deactivate", "erase", "demote", "leave the group"])
def test_a35_of_two_owners_who_leave_at_once_one_stays(town, make, how):
    """Guard: populace/groups/guards.py:owner_stays holds the role's row alone.

    The administrator of the installation is shut out meanwhile, and comes back by the owner who stayed.
    """
    board = town.http.post(GROUPS, json={"name": f"Board {how}", "roles": ["owner"]}).json()["id"]
    told = set()
    for number in range(ROUNDS):
        ids, clients = zip(
            *(make(f"{how.replace(chr(32), chr(45))}{number}{side}", *_roles(how)) for side in "ab"), strict=True
        )
        if how == "leave the group":
            town.http.post(f"{GROUPS}/{board}/members", json={"add": ids}).raise_for_status()
        assert town.http.post(f"{USERS}/{town.administrator_id}/deactivate").status_code == 200
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda one: _leave(how, board, *one), zip(ids, clients, strict=True)))
        codes = sorted(answer.status_code for answer in answers)
        told.add(tuple(codes))
        assert codes[0] < 300
        assert codes[1] in (401, 403, 409), (number, codes, [answer.text for answer in answers])
        stayed, client = max(zip(ids, clients, answers, strict=True), key=lambda one: one[2].status_code)[:2]
        if codes[1] == 409:
            refused(max(answers, key=lambda answer: answer.status_code), "last_owner", 409)
        assert client.post(f"{USERS}/{town.administrator_id}/activate").status_code == 200
        assert town.http.delete(f"{USERS}/{stayed}").status_code == 204
    assert (200, 409) in told or (204, 409) in told


def _roles(how):
    return () if how == "leave the group" else ("owner",)


def _leave(how, board, id, client):
    if how == "deactivate":
        return client.post(f"{USERS}/{id}/deactivate")
    if how == "erase":
        return client.delete(f"{USERS}/{id}")
    if how == "demote":
        return client.post(f"{USERS}/{id}/roles", json={"remove": ["owner"]})
    return client.post(f"{GROUPS}/{board}/members", json={"remove": [id]})
