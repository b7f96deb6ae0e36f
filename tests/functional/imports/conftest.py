"""Fixtures of imports: files written by the test, and whoever imports them may do everything."""

import json
import shutil
from pathlib import Path

import pytest

from populace.audit.actors import SYSTEM, Actor
from populace.audit.models import Event
from populace.audit.permissions import ALL
from populace.bulk.imports import import_file
from populace.groups.models import Group, Membership
from populace.infra.storage import storage
from populace.users.models import Identifier, User

DATA = Path(__file__).parent.parent.parent / "data"


@pytest.fixture(autouse=True)
def files(monkeypatch, tmp_path):
    """Where jobs keep theirs."""
    monkeypatch.setattr(storage(), "root", tmp_path / "files")


@pytest.fixture
def actor():
    """Whoever has the command line; with fewer `permissions` the job may less (a person's are read anew)."""
    return Actor(id=SYSTEM.id, request_id="test", permissions=ALL)


@pytest.fixture
def realm():
    return DATA / "keycloak-realm.json"


@pytest.fixture
def identities():
    return DATA / "kratos-identities.jsonl"


@pytest.fixture
def run(actor):
    """Return `run(path, **options) -> ImportResult`."""
    return lambda path, **options: import_file(path, **{"by": actor} | options)


@pytest.fixture
def import_text(tmp_path, run):
    """Return `import_text(text, **options) -> ImportResult`, from a file people.csv."""

    def imported(text: str, **options):
        path = tmp_path / "people.csv"
        path.write_text(text, encoding="utf-8")
        return run(path, **options)

    return imported


@pytest.fixture
def import_people(tmp_path, run):
    """Return `import_people(*people, **options) -> ImportResult`, from a file people.jsonl."""

    def imported(*people: object, **options):
        path = tmp_path / "people.jsonl"
        path.write_text("".join(f"{json.dumps(person)}\n" for person in people))
        return run(path, file_format="jsonl", **options)

    return imported


@pytest.fixture
def everything(db):
    """Return `everything() -> rows` of all tables that an import writes."""
    people = [model._base_manager.order_by("pk") for model in (User, Identifier, Group, Membership)]
    events = Event._base_manager.exclude(subject_kind="job").order_by("pk")
    return lambda: [list(rows.all().values()) for rows in (*people, events)]


@pytest.fixture
def codes():
    """Return `codes(result) -> [(row, code)]` of its bad rows."""
    return lambda result: [(row, code) for row, code, _ in result.errors]


@pytest.fixture
def data(tmp_path):
    """Return a folder with the samples: error files are written beside them."""
    return Path(shutil.copytree(DATA, tmp_path / "data"))
