"""A49, the part about rows: what nobody may set by a file is a bad row, told alike by a dry run and in earnest."""

import json
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from populace.audit.dispatch import dispatch
from populace.bulk.models import Job, JobError
from populace.groups.models import RoleAssignment
from populace.infra.storage import storage
from populace.users.models import User
from tests.support.rounds import step

pytestmark = pytest.mark.django_db

SALT, KEY = "$c2FsdHNhbHRzYWx0c2FsdA", "A" * 43
PEOPLE = [
    ({"username": "staff", "is_staff": True}, "unknown_field"),
    ({"username": "super", "is_superuser": True}, "unknown_field"),
    ({"username": "roles", "roles": ["owner"]}, "unknown_field"),
    ({"username": "org", "organization": "elsewhere"}, "unknown_field"),
    ({"username": "boss", "groups": ["Owners"]}, "forbidden"),
    (
        {"username": "bomb", "password_hash": f"$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA${KEY}"},
        "hash_cost",
    ),
    ({"username": "bomb2", "password_hash": f"$pbkdf2-sha256$i=1000000000$c2FsdA${KEY}"}, "hash_cost"),
    ({"username": "bomb3", "password_hash": f"$scrypt$ln=30,r=8,p=1$c2FsdA${KEY}"}, "hash_cost"),
    ({"username": "kind", "password_hash": "$unheard-of$x"}, "hash_unknown"),
    ({"external_id": "the-owner", "email": "mine@example.org"}, "forbidden"),
]


@pytest.fixture
def manager(client, client_of, token, make_user, tmp_path, monkeypatch):
    """A client of somebody who may write people and groups, but is no owner; there are an owner and a group of them."""
    monkeypatch.setattr(storage(), "root", tmp_path)
    owner = make_user(external_id="the-owner")["id"]
    token(owner=owner)
    assert client.post("/api/v1/groups", {"name": "Owners", "roles": ["owner"]}).status_code == 201
    return client_of(token("users:write", "groups:write", "jobs:write", "jobs:read", role="manager"))


def imported(caller, people, **fields) -> tuple[Job, list]:
    text = "".join(f"{json.dumps(one)}\n" for one in people).encode()
    form = encode_multipart(BOUNDARY, {"file": SimpleUploadedFile("people.jsonl", text), "format": "jsonl", **fields})
    response = caller.post("/api/v1/imports", form, content_type=MULTIPART_CONTENT)
    assert response.status_code == 202
    dispatch()
    for _ in range(4):
        step()
    job = Job.objects.get(pk=UUID(response.json()["id"]))
    return job, list(JobError.objects.filter(job_id=job.id).order_by("row").values_list("row", "code", "reason"))


def test_a49_what_nobody_may_set_by_a_file_is_a_bad_row_dry_or_not(manager):
    """Guards: populace/groups/batches.py:beyond, populace/users/batches.py:write_people (beyond),
    populace/users/documents.py:StrictDocument, populace/credentials/foreign.py:adopted (_check_cost, check_hash).
    """
    held = set(RoleAssignment.objects.values_list("user_id", "role_id"))
    people = [one for one, _ in PEOPLE] + [{"username": "good"}]
    dry, told_dry = imported(manager, people, dry_run="true")
    real, told = imported(manager, people)
    assert (dry.state, real.state) == ("succeeded", "succeeded")
    assert [(row, code) for row, code, _ in told] == [(n, code) for n, (_, code) in enumerate(PEOPLE, 1)]
    assert told_dry == told
    assert KEY not in repr(told)
    assert (real.result["done"], real.result["failed"]) == (1, len(PEOPLE))
    assert User.objects.filter(username="good").exists()
    assert set(RoleAssignment.objects.values_list("user_id", "role_id")) == held
    assert not User.objects.filter(email="mine@example.org").exists()


def test_a49_who_loses_the_right_meanwhile_writes_nothing(manager, monkeypatch):
    """Guard: populace/bulk/running.py:Running.look."""
    form = encode_multipart(BOUNDARY, {"file": SimpleUploadedFile("people.csv", b"username\nann\n")})
    job = manager.post("/api/v1/imports", form, content_type=MULTIPART_CONTENT).json()
    RoleAssignment._base_manager.filter(user_id=job["owner"]).delete()
    dispatch()
    step()
    stored = Job.objects.get(pk=UUID(job["id"]))
    assert (stored.state, stored.code) == ("failed", "forbidden")
    assert not User.objects.filter(username="ann").exists()
