"""A06: no user name is read as something else, and no login identifier leads to two accounts."""

import pytest

from tests.support.doors import rest_create

NAMES = ["me", "self", "null", "undefined", ".", "..", "api", ".well-known", "console", "static"]
OTHERS = ["Me", "ＮＵＬＬ", "Console", "STATIC", "ann@example.org", "nobody@example.org", "+4312345678"]


@pytest.fixture(scope="module", autouse=True)
def held(town):
    person = {"email": "ann@example.org", "phone": "+43 1 2345678", "username": "ann"}
    assert rest_create(town, [person])[0].code == ""


def test_a06_what_means_something_else_is_reserved_at_every_door(town, door, same):
    """Guard: populace/users/identifiers.py:RESERVED, username_normal, _is_id."""
    same()
    ids = [town.administrator_id, town.administrator_id.upper(), town.victim.replace("-", "")]
    names = [*NAMES, *OTHERS, *ids]
    outcomes = door.enter(town, [{"username": name} for name in names])
    assert [(outcome.code, outcome.field) for outcome in outcomes] == [("reserved", "username")] * len(names)
    assert {outcome.status for outcome in outcomes} <= {0, 400}


def test_a06_the_first_part_of_every_path_is_reserved():
    """Guard: populace/users/identifiers.py:RESERVED."""
    from django.urls import get_resolver

    from populace.users.identifiers import RESERVED

    said = {str(pattern.pattern).lstrip("^").partition("/")[0] for pattern in get_resolver().url_patterns}
    faces = {path for path in said if path.isalpha()} - {"livez", "readyz", "metrics", "problems"}
    assert faces <= RESERVED


def test_a06_one_identifier_leads_to_one_account(town):
    """Guard: populace/users/identifiers.py:username_normal: the kinds of identifiers never share a spelling."""
    shown = {
        town.populace_json("user", "show", identifier)["id"]
        for identifier in ("ann", "ANN", "ann@example.org", "ANN@EXAMPLE.ORG", "+4312345678")
    }
    assert len(shown) == 1
