"""Exports: any list of people that is served, as a file."""

import csv
import io
import json
from uuid import UUID

import pytest

from populace.audit.actors import SYSTEM, Actor
from populace.audit.dispatch import dispatch
from populace.audit.models import Event
from populace.audit.permissions import ALL
from populace.bulk import exports, walks
from populace.bulk.models import Job, JobFile
from populace.groups.models import Group, Membership
from populace.infra.storage import storage
from populace.users.documents import USER_FIELDS
from tests.support.rounds import step

pytestmark = pytest.mark.django_db

EXPORTS = "/api/v1/exports"


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(storage(), "root", tmp_path)
    return tmp_path


@pytest.fixture
def small(monkeypatch):
    """Steps of two people, parts of two steps."""
    monkeypatch.setattr(walks, "STEP", 2)
    monkeypatch.setattr(exports, "PART", 2)


def exported(client, **body):
    """Ask for an export, have a worker do it; return the file's bytes."""
    response = client.post(EXPORTS, body)
    assert response.status_code == 202, response.content
    dispatch()
    step()
    job = client.get(response["Location"]).json()
    assert job["state"] == "succeeded", job
    return b"".join(client.get(job["result_url"]).streaming_content)


def lines(made):
    return [json.loads(line) for line in made.splitlines()]


def cells(made):
    return list(csv.DictReader(io.StringIO(made.decode()), strict=True))


def listed(client, query=""):
    return client.get(f"/api/v1/users?limit=200{query}").json()["results"]


def test_json_lines_are_the_documents_of_the_list(client, make_user, small):
    for number in range(9):
        make_user(first_name=f"Ann{number}", attributes={"n": [number, None, "a\nb\\"]})
    assert lines(exported(client, format="jsonl")) == listed(client)


def test_a_csv_has_the_same_in_cells(client, make_user, small):
    for name in ('quo"te', "com,ma", "back\\slash", "ünïcode 🎈", "per%cent", "'"):
        make_user(first_name=name, attributes={"name": name, "n": 1.5})
    shown = cells(exported(client, format="csv", order="email"))
    documents = listed(client, "&order=email")
    assert [list(row) for row in shown] == [list(USER_FIELDS)] * len(documents)
    for row, document in zip(shown, documents, strict=True):
        for name, value in document.items():
            nested = isinstance(value, dict | list | bool | int)
            assert (json.loads(row[name]) if nested else row[name]) == ("" if value is None else value)
