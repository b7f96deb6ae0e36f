"""populace bulk and populace job undo: the same jobs, in a process of their own."""

import json

import pytest


@pytest.fixture
def people(installation):
    """Five people of one domain."""
    emails = (f"p{n}@crowd.example" for n in range(5))
    return [installation.populace_json("user", "create", "--email", one, "--quiet")["id"] for one in emails]


def shown(installation, one):
    return installation.populace_json("user", "show", one)


def test_many_are_changed_and_it_is_taken_back(installation, people):
    preview = installation.populace_json("bulk", "deactivate", "--filter", "domain=crowd.example", "--preview")
    assert (preview["count"], preview["changed"]) == (5, 5)
    done = installation.populace_json("bulk", "deactivate", "--filter", "domain=crowd.example")
    assert (done["changed"], done["already"], done["refused"]) == (5, 0, 0)
    assert not shown(installation, people[0])["is_active"]
    back = installation.populace_json("job", "undo", done["job"])
    assert back["changed"] == 5
    assert shown(installation, people[0])["is_active"]
    assert [job["kind"] for job in map(json.loads, installation.populace("job", "list", "--json").splitlines())] == [
        "bulk_undo",
        "bulk_action",
    ]


def test_values_are_set_and_who_is_left_out_ends_it_with_3(installation, people):
    asked = ["--id", people[0], "--id", people[1], "--set", "locale=de", "--set", "attributes.floor=3"]
    assert installation.populace_json("bulk", "update", *asked)["changed"] == 2
    person = shown(installation, people[0])
    assert (person["locale"], person["attributes"]) == ("de", {"floor": 3})
    told = installation.populace("bulk", "erase", "--id", installation.administrator_id, "--json", expected=3)
    lines = [json.loads(line) for line in told.splitlines()]
    assert lines[0] | {"reason": ""} == {"id": installation.administrator_id, "code": "last_owner", "reason": ""}
    assert lines[1]["refused"] == 1


def test_what_is_refused_is_one_line(installation, people):
    installation.populace("bulk", "deactivate", expected=2)
    installation.populace("bulk", "explode", "--everybody", expected=4)
    installation.populace("bulk", "deactivate", "--filter", "shoe=44", expected=4)
    installation.populace("job", "undo", people[0], expected=4)


def test_above_a_thousand_the_number_is_said(installation):
    installation.populace("seed", "1001")
    asked = ["bulk", "update", "--set", "locale=de", "--filter", "domain=example.com"]
    count = installation.populace_json(*asked, "--preview")["count"]
    everybody = ["bulk", "update", "--set", "locale=de", "--everybody"]
    installation.populace(*everybody, expected=4)
    installation.populace(*everybody, "--yes", str(count), expected=4)
    done = installation.populace_json(*everybody, "--yes", "1002")
    assert done["changed"] == 1_002
