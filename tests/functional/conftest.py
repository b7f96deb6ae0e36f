"""Fixtures of the tests of the console, of the log and of exports."""

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


@pytest.fixture
def happen(db):
    """Return tests.support.events.happen."""
    from tests.support.events import happen

    return happen


@pytest.fixture
def small_parts(monkeypatch, tmp_path):
    """Have exports take steps of two rows, and two steps a part; return the folder where files of jobs lie."""
    from populace.bulk import exports, walks
    from populace.infra.storage import storage

    monkeypatch.setattr(storage(), "root", tmp_path)
    monkeypatch.setattr(walks, "STEP", 2)
    monkeypatch.setattr(exports, "PART", 2)
    return tmp_path
