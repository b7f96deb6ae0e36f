"""The token's check, alone and folded into a document's statement: by keys alone, however many people there are."""

import pytest
from django.db import connection
from django.utils import timezone

from populace.api.authentication import TOKEN
from populace.credentials.models import ApiToken
from populace.credentials.tokens import digest
from populace.infra.db.ids import new_id
from populace.users.api import UserView
from populace.users.models import User
from tests.support.plans import explain

PEOPLE = 3000  # enough that reading a whole table costs more than its index


@pytest.fixture
def people(db):
    """Many people, each with a token; their ids. The token of person n is digest(str(n))."""
    ids = [new_id() for _ in range(PEOPLE)]
    now = timezone.now()
    User._base_manager.bulk_create([User(id=id) for id in ids])
    ApiToken._base_manager.bulk_create(
        [ApiToken(digest=digest(str(n)), user_id=id, scopes="admin", created_at=now) for n, id in enumerate(ids)]
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return ids


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
def test_a_token_and_its_owner_are_found_by_primary_keys(people, generic):
    plan = explain(TOKEN, connection, generic=generic, digest=digest("7"))
    assert not plan.scanned, plan.text
    if connection.vendor == "postgresql":
        assert plan.indexes == {"credentials_apitoken_pkey", "users_user_pkey"}, plan.text


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
def test_token_and_document_together_are_found_by_primary_keys(people, generic):
    plan = explain(UserView.read, connection, generic=generic, digest=digest("7"), id=people[9])
    assert plan.scanned <= {"groups_group", "groups_membership"}, plan.text  # empty here
    if connection.vendor == "postgresql":
        assert plan.indexes >= {"credentials_apitoken_pkey", "users_user_pkey"}, plan.text
    assert UserView.read.row(digest=digest("7"), id=people[9])[1].decode() == str(people[7])
    assert UserView.read.row(digest=digest("7"), id=new_id())[3] is None
    assert UserView.read.row(digest=digest("x"), id=people[9]) is None
