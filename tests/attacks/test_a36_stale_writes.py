"""A36: who writes on what they read a while ago overwrites nobody's change."""

import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
import pytest

from tests.support.sql import rows

USERS, GROUPS = "/api/v1/users", "/api/v1/groups"
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "50"))
CLIENTS = 4


@pytest.fixture
def clients(town):
    """A connection each for several clients."""
    headers = {"Authorization": f"Bearer {town.token}"}
    made = [httpx.Client(base_url=town.url, headers=headers, timeout=30) for _ in range(CLIENTS)]
    yield made
    for one in made:
        one.close()


def person(town, **values):
    made = town.http.post(USERS, json={"external_id": f"stale-{random.getrandbits(64):x}"} | values)
    assert made.status_code == 201, made.text
    return made


def together(clients, method, path, bodies, **options):
    """Have each client send one of the bodies, all at the same moment; return the answers."""
    begin = Barrier(len(bodies))

    def send(client, body):
        begin.wait()
        return client.request(method, path, json=body, **options)

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(send, clients, bodies))


@pytest.mark.parametrize("what", ["PATCH", "DELETE", "deactivate", "password"])
def test_a36_an_old_version_changes_nothing(town, same, what):
    """Guard: populace/users/api.py:_check_version."""
    made = person(town)
    path, old = made.headers["Location"], made.headers["ETag"]
    assert town.http.patch(path, json={"first_name": "new"}).status_code == 200
    same()
    method, below, body = {
        "PATCH": ("PATCH", "", {"last_name": "lost"}),
        "DELETE": ("DELETE", "", None),
        "deactivate": ("POST", "/deactivate", None),
        "password": ("POST", "/password", {"password": "correct horse battery"}),
    }[what]
    for tag in (old, f"W/{old}", f'"1.x", {old}', '"7.00000000"', '"none of ours"', '""'):
        answer = town.http.request(method, path + below, json=body, headers={"If-Match": tag})
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed"), tag


def test_a36_of_two_with_one_version_one_wins(town, clients):
    """Guard: populace/infra/db/write.py:write (Change.expected), populace/users/races.py:on_row."""
    for _ in range(ROUNDS):
        made = person(town)
        path, headers = made.headers["Location"], {"If-Match": made.headers["ETag"]}
        answers = together(clients, "PATCH", path, [{"first_name": "one"}, {"last_name": "two"}], headers=headers)
        assert sorted(answer.status_code for answer in answers) == [200, 412]
        shown = town.http.get(path).json()
        assert (shown["first_name"], shown["last_name"]) in (("one", ""), ("", "two"))
        assert shown["version"] == 2


def test_a36_different_fields_at_once_are_all_kept(town, clients):
    """Guard: populace/users/races.py:on_row."""
    changes = [{"first_name": "a"}, {"last_name": "b"}, {"locale": "de"}, {"attributes": {"c": 1}}]
    for _ in range(ROUNDS):
        made = person(town)
        path = made.headers["Location"]
        answers = together(clients, "PATCH", path, changes)
        assert [answer.status_code for answer in answers] == [200] * CLIENTS
        shown = town.http.get(path).json()
        assert {name: shown[name] for change in changes for name in change} == {
            "first_name": "a",
            "last_name": "b",
            "locale": "de",
            "attributes": {"c": 1},
        }
        changed = changes_of(town, made.json()["id"], "user.updated")
        assert sorted(name for event in changed for name in event) == sorted(name for one in changes for name in one)


def test_a36_members_added_and_removed_at_once_end_as_some_order(town, clients):
    """Guard: populace/groups/actions.py:change_members (the group's row lock)."""
    group = town.http.post(GROUPS, json={"name": f"stale {random.getrandbits(64):x}"}).json()["id"]
    people = [person(town).json()["id"] for _ in range(2)]
    path, inside = f"{GROUPS}/{group}/members", set()
    seen = Counter()
    for number in range(ROUNDS):
        calls = [{"add": people}, {"remove": people}, {"add": [people[number % 2]]}, {"remove": [people[0]]}]
        answers = together(clients, "POST", path, calls)
        assert [answer.status_code for answer in answers] == [200] * CLIENTS
        # In some order each took effect on what the one before had left: came and went balance, person by person.
        for one in people:
            came = sum(one in answer.json()["added"] for answer in answers)
            went = sum(one in answer.json()["removed"] for answer in answers)
            seen[one, "group.member_added"] += came
            seen[one, "group.member_removed"] += went
            assert came - went + (one in inside) in (0, 1)
            inside = inside | {one} if came - went + (one in inside) else inside - {one}
        assert {row["id"] for row in town.http.get(path).json()["results"]} == inside
    for one in people:
        told = history(town, one)
        assert told == ["group.member_added", "group.member_removed"] * (len(told) // 2) + (
            ["group.member_added"] if one in inside else []
        )
        assert Counter(told) == Counter({kind: seen[one, kind] for kind in set(told)})


def history(town, subject):
    """Return the actions about somebody's memberships, in the order of the outbox, which is that of the commits."""
    found = rows(
        town.env["DATABASE_URL"],
        f"SELECT action FROM audit_outbox WHERE subject_id = '{spelt(town, subject)}'"
        " AND action LIKE 'group.%' ORDER BY id",
    )
    return [action for (action,) in found]


def changes_of(town, subject, action):
    events = town.http.get("/api/v1/events", params={"subject": subject, "action": action}).json()["results"]
    return [event["changes"] for event in events]


def spelt(town, key):
    """Return the id as the engine keeps it."""
    return key.replace("-", "") if town.env["DATABASE_URL"].startswith("sqlite") else key
