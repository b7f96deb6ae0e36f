"""POST /api/v1/imports: a form with a file becomes a job, and its bad rows can be fetched."""

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from populace.api.models import Receipt
from populace.audit.dispatch import dispatch
from populace.audit.models import Event, Outbox
from populace.bulk import api
from populace.bulk.models import Job, JobFile
from populace.infra.storage import storage
from populace.users.models import User
from tests.support.rounds import step

pytestmark = pytest.mark.django_db

IMPORTS = "/api/v1/imports"
GOOD = "username,email\nann,ann@example.org\nbob,bob@example.org\n"


@pytest.fixture
def send(client):
    """Return `send(text, name=…, headers=…, **fields) -> response`, and `send.raw(body, content_type)`."""

    def sent(text=GOOD, name="people.csv", headers=None, **fields):
        form = fields | {"file": SimpleUploadedFile(name, text.encode() if isinstance(text, str) else text)}
        return client.post(IMPORTS, encode_multipart(BOUNDARY, form), content_type=MULTIPART_CONTENT, headers=headers)

    return sent


def work(times=6):
    """Have a worker pass over whatever is due."""
    dispatch()
    for _ in range(times):
        step()


def codes(response):
    return [(fault["pointer"], fault["code"]) for fault in response.json()["errors"]]


def test_a_file_becomes_a_job_and_its_people_come_in(send, client):
    response = send()
    job = response.json()
    assert response.status_code == 202
    assert response["Location"] == f"/api/v1/jobs/{job['id']}"
    assert (job["kind"], job["state"], job["progress"]) == ("import", "queued", {"done": 0, "total": None})
    work()
    job = client.get(response["Location"]).json()
    assert (job["state"], job["progress"], job["errors_url"]) == ("succeeded", {"done": 2, "total": 2}, None)
    assert job["result"] == {
        "done": 2,
        "skipped": 0,
        "failed": 0,
        "format": "csv",
        "encoding": "UTF-8",
        "delimiter": ",",
        "mapping": {"username": "username", "email": "email"},
    }
    assert set(User.objects.filter(email__endswith="example.org").values_list("username", flat=True)) == {"ann", "bob"}
    assert Event.objects.filter(action="user.created", actor=job["owner"]).count() == 2


def test_nobody_is_written_to_unless_welcome_says_so(send):
    for welcome, text in (("false", GOOD), ("true", GOOD.replace("ann", "eve").replace("bob", "dan"))):
        send(text, welcome=welcome)
        dispatch()
        Outbox._base_manager.all().delete()
        step()
        assert set(Outbox.objects.filter(action="user.created").values_list("quiet", flat=True)) == {welcome != "true"}
        Outbox._base_manager.all().delete()


def test_bad_rows_come_back_as_they_were_sent_and_can_be_mended(send, client):
    location = send("username;email\nann;ann@example.org\nbob;no address\n;\n")["Location"]
    work()
    job = client.get(location).json()
    assert (job["result"]["done"], job["result"]["failed"]) == (1, 2)
    response = client.get(job["errors_url"])
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    text = b"".join(response.streaming_content).decode()
    assert text.splitlines()[:2] == [
        "row;code;reason;username;email",
        "2;invalid;email: Not an e-mail address.;bob;no address",
    ]
    send(text.replace("no address", "bob@example.org").replace("external id.;;", "external id.;carl;"))
    work()
    assert Job.objects.order_by("-id").first().result["done"] == 2


def test_where_bad_rows_are_is_told_to_who_asked_alone(send, client, client_of, token):
    """Guard: populace/api/jobs.py:documents_of (`mine`)."""
    location = send("username;email\nbob;no address\n")["Location"]
    work()
    assert client.get(location).json()["errors_url"] == f"{location}/errors"
    other = client_of(token())
    assert other.get(location).json()["errors_url"] is None
    assert other.get(f"{location}/errors").status_code == 404


def test_bad_rows_of_json_lines_come_back_in_json_lines(send, client):
    location = send('{"username": "a@"}\n{"username": "b"}\n', "people.jsonl")["Location"]
    work()
    response = client.get(f"{location}/errors")
    assert response["Content-Type"] == "application/jsonl"
    assert response["Content-Disposition"].endswith('.errors.jsonl"')
    assert b"".join(response.streaming_content).startswith(b'{"username": "a@", "row": 1, "code": "reserved"')


def test_a_file_that_is_none_fails_the_job_and_says_why(send, client):
    location = send("shoe size\n44\n")["Location"]
    work()
    job = client.get(location).json()
    assert (job["state"], job["code"]) == ("failed", "file_refused")
    assert job["detail"].startswith("The file unknown column") or "unknown column" in job["detail"]


def test_the_form_is_told_what_is_wrong_with_it(send, client):
    assert codes(send(format="xml")) == [("/format", "invalid_choice")]
    assert codes(send(rows="most", on_conflict="?", dry_run="yes")) == [
        ("/dry_run", "invalid_choice"),
        ("/on_conflict", "invalid_choice"),
        ("/rows", "invalid_choice"),
    ]
    assert codes(send(shoe="44")) == [("/shoe", "unknown_field")]
    assert codes(send(rows=["all", "good"])) == [("/rows", "invalid")]
    assert codes(send(options="{")) == [("/options", "invalid")]
    form = encode_multipart(BOUNDARY, {"format": "csv"})
    assert codes(client.post(IMPORTS, form, content_type=MULTIPART_CONTENT)) == [("/file", "required")]
    assert client.post(IMPORTS, "{}").status_code == 415
    assert not Job.objects.exists()


def test_who_may_not_write_people_or_jobs_sends_nothing(client_of, token):
    """populace/bulk/api.py:Imports.initial"""
    for scopes in (["jobs:write"], ["users:write"]):
        caller = client_of(token(*scopes))
        assert caller.post(IMPORTS, b"x", content_type="text/plain").status_code == 403  # read, it would be 415


def spooled() -> list[Path]:
    from django.conf import settings

    return list((settings.VAR_DIR / "spool").glob("*"))


def test_a48_what_was_spooled_is_gone_whatever_came_of_it(send, client):
    """Guard: populace/infra/scratch.py:scratch."""
    send()
    send(format="xml")
    client.post(IMPORTS, b"--x\r\n", content_type="multipart/form-data; boundary=x")
    assert spooled() == []


PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="people.csv"\r\n\r\nemail\n'
BROKEN = {
    "no boundary": (PART, "multipart/form-data"),
    "a boundary of controls": (PART, "multipart/form-data; boundary=\x01"),
    "a boundary of 300 characters": (PART, f"multipart/form-data; boundary={'x' * 300}"),
    "another boundary": (PART, "multipart/form-data; boundary=y"),
    "no end": (PART, "multipart/form-data; boundary=x"),
    "a header without end": (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="' + b"a" * 5000 + b'"\r\n\r\n1\r\n--x--\r\n',
        "multipart/form-data; boundary=x",
    ),
    "no name": (
        b'--x\r\nContent-Disposition: form-data; filename="p"\r\n\r\n1\r\n--x--\r\n',
        "multipart/form-data; boundary=x",
    ),
    "two files": (
        PART + b'\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="q"\r\n\r\n1\r\n--x--\r\n',
        "multipart/form-data; boundary=x",
    ),
    "broken base64": (
        PART.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n") + b"%%%\r\n--x--\r\n",
        "multipart/form-data; boundary=x",
    ),
    "2,000 fields": (
        b"".join(b'--x\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n1\r\n' % number for number in range(2000)),
        "multipart/form-data; boundary=x",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a48_a_broken_form_is_a_problem_and_no_job(client, what):
    """Guard: populace/api/uploads.py:received."""
    body, media = BROKEN[what]
    response = client.post(IMPORTS, body, content_type=media)
    assert response.status_code == 400
    assert not Job.objects.exists()
    assert spooled() == []


def test_a48_a_field_of_a_megabyte_is_too_large(send):
    assert send(options="x" * (1 << 21)).status_code == 413


def test_a48_a_file_is_refused_by_its_announced_length_and_by_what_comes(send, client, monkeypatch, client_of, token):
    """Guards: populace/api/uploads.py:_Body (by length), _File.receive_data_chunk (by bytes)."""
    monkeypatch.setattr(api, "FILE_MAX", 20)
    assert send("x" * 21).status_code == 413  # what comes
    assert send("email\nx\n").status_code == 202
    secret = token("admin")
    announced = Client(headers={"Authorization": f"Bearer {secret}"}).generic(
        "POST", IMPORTS, b"x", content_type=MULTIPART_CONTENT, CONTENT_LENGTH=str((1 << 20) + 21)
    )
    assert announced.status_code == 413
    assert Job.objects.count() == 1


def test_a48_a_name_leads_nowhere(send, tmp_path):
    """Guard: populace/api/uploads.py:_File (the path is ours)."""
    send(name="../../../../tmp/evil.csv")
    assert JobFile.objects.get().filename == "evil.csv"
    assert sorted(path.name for path in storage().root.rglob("*") if path.is_file()) == ["source"]


def test_a50_one_key_twice_is_one_job(send, client):
    """Guard: populace/api/uploads.py:received (digest), populace/api/idempotency.py:_first (202)."""
    key = {"Idempotency-Key": "one"}
    first, again = send(headers=key), send(headers=key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["id"] == first.json()["id"]
    assert again["Idempotency-Replayed"] == "true"
    assert again["Location"] == first["Location"]
    assert (Job.objects.count(), JobFile.objects.count(), Receipt.objects.count()) == (1, 1, 1)
    for other in (send(GOOD + "eve,eve@example.org\n", headers=key), send(rows="all", headers=key)):
        assert other.status_code == 422


def test_a_form_with_another_boundary_is_the_same_call(client):
    def send(boundary):
        form = encode_multipart(boundary, {"file": SimpleUploadedFile("people.csv", GOOD.encode())})
        media = f"multipart/form-data; boundary={boundary}"
        return client.post(IMPORTS, form, content_type=media, headers={"Idempotency-Key": "two"})

    assert send("one").json()["id"] == send("two").json()["id"]


def test_a_job_that_is_refused_leaves_no_file(send, monkeypatch):
    """populace/bulk/imports.py:with_file"""
    monkeypatch.setattr("populace.bulk.actions.OPEN_MAX", 0)
    assert send().status_code == 409
    assert list(storage().root.rglob("source")) == []


def test_a_managers_file_brings_neither_hashes_nor_verified_addresses(client_of, token):
    """Guard: populace/bulk/candidates.py:_faults_apart (`admin`)."""
    manager = client_of(token("users:write", "jobs:write", "jobs:read", role="manager"))
    digest = "md5$ab$900150983cd24fb0d6963f7d28e17f72"
    file = f"username,email,email_verified,password_hash\nann,ann@example.org,true,\nbob,bob@example.org,,{digest}\n"
    form = {"file": SimpleUploadedFile("people.csv", (file + "cid,cid@example.org,,\n").encode())}
    job = manager.post(IMPORTS, encode_multipart(BOUNDARY, form), content_type=MULTIPART_CONTENT)["Location"]
    work()
    told = b"".join(manager.get(f"{job}/errors").streaming_content).decode()
    assert told.count("forbidden") == 2
    assert set(User.objects.filter(username__in=["ann", "bob", "cid"]).values_list("username", flat=True)) == {"cid"}
