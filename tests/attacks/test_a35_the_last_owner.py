"""A35 over HTTP: of two owners who leave at once one stays."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.doors import answered

USERS, GROUPS = "/api/v1/users", "/api/v1/groups"
ROUNDS = 12


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
            assert answered(max(answers, key=lambda answer: answer.status_code)) == ("last_owner", "", 409)
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
