"""A31 over HTTP: nobody gets or gives by a group what they do not hold. (Mapped names come with the mapping.)

The verbs themselves, door by door the same, are looked at in tests/functional/test_rights.py.
"""

from tests.support.doors import USERS, answered

GROUPS = "/api/v1/groups"


def test_a31_a_manager_does_not_climb_by_groups(town, make, same):
    """Guard: populace/groups/guards.py:check_held."""
    me, manager = make("climber", "manager")
    strong = town.http.post(GROUPS, json={"name": "Admins", "roles": ["owner"]}).json()["id"]
    below_it = town.http.post(GROUPS, json={"name": "Deputies", "parents": [strong]}).json()["id"]
    weak = manager.post(GROUPS, json={"name": "Weak"}).json()["id"]
    same()
    refused = [
        manager.post(f"{GROUPS}/{strong}/members", json={"add": [me]}),
        manager.post(f"{GROUPS}/{below_it}/members", json={"add": [me]}),
        manager.post(f"{USERS}/{me}/roles", json={"add": ["owner"]}),
        manager.post(GROUPS, json={"name": "New", "roles": ["auditor"]}),
        manager.patch(f"{GROUPS}/{weak}", json={"roles": ["auditor"]}),
        manager.patch(f"{GROUPS}/{weak}", json={"parents": [strong]}),
        manager.patch(f"{GROUPS}/{weak}", json={"parents": [below_it]}),
        manager.post(GROUPS, json={"name": "New", "parents": [strong]}),
        manager.patch(f"{GROUPS}/{strong}", json={"name": "Renamed"}),
        manager.delete(f"{GROUPS}/{strong}"),
    ]
    assert {answered(response) for response in refused} == {("forbidden", "", 403)}


def test_a31_a_group_is_never_above_itself(town, make, same):
    """Guard: populace/groups/closure.py:rebuild."""
    _, manager = make("builder", "manager")
    above = manager.post(GROUPS, json={"name": "Above"}).json()["id"]
    below = manager.post(GROUPS, json={"name": "Below", "parents": [above]}).json()["id"]
    lowest = manager.post(GROUPS, json={"name": "Lowest", "parents": [below]}).json()["id"]
    same()
    for child, parent in ((above, above), (above, below), (above, lowest), (below, lowest)):
        response = manager.patch(f"{GROUPS}/{child}", json={"parents": [parent]})
        assert answered(response) == ("cycle", "", 409)
