"""Fixtures of the console's tests."""

from uuid import UUID

import pytest
from django.test import Client


@pytest.fixture(scope="module")
def password_hash(django_db_blocker):
    from populace.credentials.hashing import hash_password
    from tests.support.console import PASSWORD

    with django_db_blocker.unblock():  # it gives back what this thread holds of the database
        return hash_password(PASSWORD)


@pytest.fixture
def insider(make_user, give_role, password_hash):
    """Return `insider(role, …) -> document`: a person with the password and a role (None: without one)."""

    def make(role="owner", **values):
        person = make_user(password_hash=password_hash, **values)
        if role:
            give_role(UUID(person["id"]), role)
        return person

    return make


@pytest.fixture
def browser_of(insider):
    """Return `browser_of(role) -> Client`, signed in; its `.person` is the document."""
    from tests.support.console import sign_in

    def make(role="owner", **values):
        client = Client()
        client.person = insider(role, **values)
        assert sign_in(client, client.person["email"]).status_code == 302
        return client

    return make
