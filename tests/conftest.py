"""Fixtures of every test; the engine and its settings are made in tests/support/plugin.py."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client

from tests.support.installation import Installation
from tests.support.missing import missing
from tests.support.plugin import ENGINE, Session
from tests.support.roles import ship

# The project's modules are imported where they are used: one that does not import fails its own tests only.

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def engine() -> str:
    """The engine of this run: postgresql, mariadb or sqlite."""
    return ENGINE


@pytest.fixture(scope="session")
def django_db_modify_db_settings():
    """Before pytest-django makes the test database: where there is no server, skip (fail with CI=true)."""
    if Session.missing:
        missing(Session.missing)


@pytest.fixture(autouse=True)
def _no_lost_connection():
    """Let a test that lost its connection fail alone: Django gives a broken one to the next test, too."""
    from django.db import connection

    lost = connection.vendor == "postgresql" and connection.connection is not None and connection.connection.closed
    if lost and not connection.in_atomic_block:
        connection.close()


@pytest.fixture(autouse=True)
def _no_attribute_schema(monkeypatch):
    """Let the process know that no schema is stored, until the test stores one: its read never counts beside others."""
    try:
        from populace.users import attributes_kept
    except Exception:
        return
    monkeypatch.setattr(attributes_kept, "_kept", attributes_kept.NONE)
    monkeypatch.setattr(attributes_kept, "_until", float("inf"))


@pytest.fixture
def actor():
    """Somebody who does something."""
    from populace.audit.actors import Actor

    return Actor(id=uuid4(), request_id="test", address="192.0.2.1", user_agent="tests")


@pytest.fixture
def make_user(db, actor) -> Callable[..., dict[str, Any]]:
    """Return `make_user(**values) -> document`: a person with a user name and an e-mail of their own unless given."""
    from populace.users.actions import create_user

    def make(*, password_hash="!", kind="person", quiet=True, is_active=True, email_verified=False, **values):
        number = next(_numbers)
        values = {"username": f"person{number}", "email": f"person{number}@example.com"} | values
        return json.loads(
            create_user(
                by=actor,
                values=values,
                password_hash=password_hash,
                kind=kind,
                quiet=quiet,
                is_active=is_active,
                email_verified=email_verified,
            )
        )

    return make


@pytest.fixture
def give_role(db) -> Callable[..., None]:
    """Return `give_role(user_id, *names)`: the person holds these shipped roles, and no event tells."""
    from populace.groups.models import Role, RoleAssignment

    ship()

    def give(user_id, *names):
        rows = [RoleAssignment(user_id=user_id, role=role) for role in Role.objects.filter(name__in=names)]
        RoleAssignment._base_manager.bulk_create(rows, ignore_conflicts=True)

    return give


@pytest.fixture
def token(make_user, give_role) -> Callable[..., str]:
    """Return `token(*scopes, owner=None, role="owner", expires_at=None) -> secret`.

    No scopes: admin, no owner: a new person. The owner is given the role; with None they keep those they have.
    """
    from populace.audit.actors import SYSTEM
    from populace.credentials.actions import create_token

    def make(*scopes, owner=None, role="owner", expires_at=None):
        owner_id = UUID(str(owner or make_user()["id"]))
        if role:
            give_role(owner_id, role)
        made = create_token(
            owner_id=owner_id, name="test", scopes=scopes or ("admin",), expires_at=expires_at, by=SYSTEM
        )
        return made[1]

    return make


class JsonClient(Client):
    """Django's test client with a bearer token, whose bodies are JSON (bytes and str go out as they are)."""

    def __init__(self, secret: str | None) -> None:
        super().__init__(headers={"Authorization": f"Bearer {secret}"} if secret else None)

    def _send(self, method: str, path: str, body: Any, content_type: str, **options: Any):
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        return self.generic(method, path, data, content_type=content_type, **options)

    def post(self, path, body="", content_type="application/json", **options):
        return self._send("POST", path, body, content_type, **options)

    def patch(self, path, body="", content_type="application/merge-patch+json", **options):
        return self._send("PATCH", path, body, content_type, **options)

    def put(self, path, body="", content_type="application/json", **options):
        return self._send("PUT", path, body, content_type, **options)


@pytest.fixture
def client_of() -> Callable[[str | None], JsonClient]:
    """Return `client_of(secret) -> JsonClient`; None sends no token."""
    return JsonClient


@pytest.fixture
def client(token) -> JsonClient:
    """A client with a token of scope admin: `client.post(path, body, headers={"If-Match": …})`."""
    return JsonClient(token("admin"))


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """Host and port of an S3 server."""
    from tests.support.buckets import s3_server

    with s3_server() as address:
        yield address


@pytest.fixture(params=["folder", "bucket"])
def files(request, settings, tmp_path) -> Iterator[Any]:
    """The storage of this process on each of its engines, empty."""
    from config.engines import files as settings_of
    from populace.infra.storage import storage
    from tests.support.buckets import new_bucket, url_of

    url = f"file://{tmp_path / 'files'}"
    if request.param == "bucket":
        address = request.getfixturevalue("s3_address")
        url = url_of(address, new_bucket(address))
    settings.FILES = settings_of("FILES_URL", url)
    storage.cache_clear()
    yield storage()
    storage.cache_clear()


@pytest.fixture
def installation(tmp_path) -> Iterator[Installation]:
    """A migrated database with an administrator's token, and nothing running; the test starts web and worker."""
    if Session.missing:
        missing(Session.missing)
    made = Installation(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def server(installation) -> Installation:
    """A running Populace: `server.http.get("/api/v1/users/…")`, `server.web.pid`, `server.worker.pid`."""
    installation.start_web()
    installation.start_worker()
    return installation
