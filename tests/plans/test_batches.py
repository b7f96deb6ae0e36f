"""What an import asks of the database: the same for each batch, however many people are there and wherever they are."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.plans import explain_sql

pytestmark = pytest.mark.only_on("postgresql", "the other engines look keys of a list up by the index")


def test_the_keys_of_a_batch_are_looked_up_one_by_one_whatever_the_planner_knows(make_user):
    """Guard: populace/users/batches.py:HOLDERS (LATERAL, OFFSET 0)."""
    from populace.users.batches import holders_of
    from populace.users.models import Identifier

    id = make_user()["id"]
    held = [Identifier(key=f"external_id:{number}", user_id=id) for number in range(4_000)]
    Identifier._base_manager.bulk_create(held)
    wanted = {f"external_id:{number}" for number in range(2_000, 6_000)}
    with CaptureQueriesContext(connection) as log:
        found = holders_of(wanted)
    assert (len(found), {str(holder) for holder in found.values()}) == (2_000, {id})
    assert len(log) == 1
    plan = explain_sql(log[0]["sql"], connection)
    assert (plan.scanned, plan.indexes) == (set(), {"users_identifier_pkey"})
