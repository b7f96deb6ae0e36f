"""A04: one mailbox is one account, however its address is spelt. (What a reset does comes with the issue Access.)"""

import pytest

from tests.support.doors import rest_create
from tests.support.sql import rows

HELD = ["User@EXAMPLE.com", "x@exämple.com", "a@example.com", "x@kelvin.org", "mike@x.org"]
TWINS = ["user@example.com", "USER@ｅxample.com", "x@xn--exmple-cua.com", "X@EXÄMPLE.com", "x@exa\u0308mple.com"]
TWINS += ["a@ｅxample.com", "a@example。com", "x@\u212aelvin.org", "MIKE@X.ORG"]
REFUSED = ["user@example.com\u200b", "u\u200bser@example.com", "mıke@x.org", "a@exam\u00adple.com", "user@example.com."]


@pytest.fixture(scope="module", autouse=True)
def held(town):
    assert {outcome.code for outcome in rest_create(town, [{"email": address} for address in HELD])} == {""}


def test_a04_a_twin_of_an_address_is_taken_at_every_door(town, door, same):
    """Guard: populace/users/identifiers.py:email_normal."""
    same()
    outcomes = door.enter(town, [{"email": address} for address in TWINS])
    assert [outcome.code for outcome in outcomes] == ["email_taken"] * len(TWINS)
    assert {outcome.status for outcome in outcomes} <= {0, 409}


def test_a04_what_other_software_reads_as_another_address_is_refused_at_every_door(town, door, same):
    """Guard: populace/users/identifiers.py:email_normal (what is not printable, or not ASCII before the @)."""
    same()
    outcomes = door.enter(town, [{"email": address} for address in REFUSED])
    assert [(outcome.code, outcome.field) for outcome in outcomes] == [("invalid", "email")] * len(REFUSED)


def test_a04_the_address_stays_as_typed_and_is_compared_by_a_labels(town):
    found = rows(town.env["DATABASE_URL"], "SELECT email, email_normal, email_domain FROM users_user ORDER BY email")
    assert ("User@EXAMPLE.com", "user@example.com", "example.com") in found
    assert ("x@exämple.com", "x@xn--exmple-cua.com", "xn--exmple-cua.com") in found
