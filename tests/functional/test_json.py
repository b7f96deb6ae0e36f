"""Bodies: strict JSON of one media type, or a refusal that costs little."""

import io
import json
import time

import pytest

from populace.api.parsers import decoded

pytestmark = pytest.mark.django_db

USERS = "/api/v1/users"
MIB = 1 << 20
JSON = {"CONTENT_TYPE": "application/json"}  # Django's client leaves it out where it sends no body itself


@pytest.mark.parametrize(
    "body",
    [
        "",
        "1",
        "null",
        '"x"',
        "[]",
        "[{}]",
        "{",
        '{"a":1,}',
        '{"a" 1}',
        "{'a':1}",
        '{"a":1} x',
        '{"a":1}{"b":2}',
        '{"a":1}//c',
        '/*c*/{"a":1}',
        '{"a":NaN}',
        '{"a":Infinity}',
        '{"a":-Infinity}',
        '{"a":1e400}',
        '{"a":-1e400}',
        '{"a":01}',
        '{"a":1.}',
        '{"a":+1}',
        '{"a":0x1}',
        '{"a":' + "9" * 5000 + "}",
        '{"a":9223372036854775808}',
        '{"a":"\\ud800"}',
        '{"\\udfff":1}',
        '{"a":[["\\udc00\\ud800"]]}',
        '{"a":"\\u0000"}',
        '{"\\u0000":1}',
        '{"a":"\x00"}',
        '{"a":"\n"}',
        '{"a":"\\x"}',
        '\ufeff{"a":1}',
        '{"a":' * 65 + "1" + "}" * 65,
        '{"a":' * 100_000,
        "[" * 100_000 + "]" * 100_000,
        '{"a":' + "[" * 64 + "]" * 64 + "}",
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-32"),
    ],
    ids=lambda body: repr(body[:30]),
)
def test_a40_what_is_not_strict_json_is_malformed_and_cheap(client, body):
    """Guard: populace/api/parsers.py:decoded."""
    client.post(USERS, "", **JSON)  # the first call of a process loads what is used
    started = time.thread_time()
    response = client.post(USERS, body, **JSON)
    assert (response.status_code, response.json()["code"]) == (400, "malformed")
    assert time.thread_time() - started < 1


@pytest.mark.parametrize(
    "body", ['{"email":"a@x.example","email":"b@x.example"}', '{"attributes":{"a":1,"\\u0061":2}}']
)
def test_a40_two_keys_alike_are_refused(client, body):
    """Guard: populace/api/parsers.py:_object."""
    response = client.post(USERS, body)
    assert (response.status_code, response.json()["code"]) == (400, "duplicate_key")


def test_a40_a_hundred_thousand_keys_are_refused_shortly(client):
    """Guard: populace/users/documents.py:UNKNOWN_MAX."""
    body = json.dumps({f"k{n}": n for n in range(60_000)})
    started = time.thread_time()  # CPU: the machine may be busy with other tests
    response = client.post(USERS, body)
    assert response.status_code == 400
    assert len(response.content) < 5000
    assert time.thread_time() - started < 3


def test_what_is_strict_json_keeps_every_digit_and_sign():
    attributes = {"big": 2**63 - 1, "small": -(2**63), "float": 1.5e300, "text": 'é🙂\u2028\\"', "deep": [[[{}]]]}
    assert decoded(json.dumps({"attributes": attributes}).encode()) == {"attributes": attributes}
    assert decoded(b'{"a":"\\ud83d\\ude42"}') == {"a": "🙂"}
    assert decoded(b'{"a":' * 64 + b"1" + b"}" * 64)


@pytest.mark.parametrize(
    "media",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json-patch+json",
        "application/jsonx",
        "application/json; charset=utf-7",
        "application/json; charset=utf-16",
        "application/json; charset=utf-8; charset=utf-7",
        "application/json, text/plain",
    ],
)
def test_a41_any_other_media_type_is_refused_before_parsing(client, media):
    """Guard: populace/api/parsers.py:check_media."""
    response = client.post(USERS, "{", content_type=media)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip", "x"])
def test_a41_an_encoded_body_is_refused(client, encoding):
    """Guard: populace/api/parsers.py:check_media."""
    response = client.post(USERS, b"\x1f\x8b", headers={"Content-Encoding": encoding})
    assert response.status_code == 415


def test_a41_a_body_over_the_limit_is_refused_unread(client):
    """Guard: populace/api/parsers.py:body_of."""
    body = io.BytesIO(b"{" * MIB)
    response = client.post(USERS, "", CONTENT_LENGTH=str(MIB + 1), **JSON, **{"wsgi.input": body})
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert body.tell() == 0
    assert client.post(USERS, '{"first_name":"' + "x" * (MIB - 20) + '"}').status_code == 400


def test_a41_a_body_without_length_is_read_up_to_the_limit(client):
    """Guard: populace/api/parsers.py:body_of."""
    chunked = JSON | {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    body = io.BytesIO(b'{"email":"chunked@example.com"}')
    assert client.post(USERS, "", **chunked, **{"wsgi.input": body}).status_code == 201
    endless = io.BytesIO(b"{" * 3 * MIB)
    assert client.post(USERS, "", **chunked, **{"wsgi.input": endless}).status_code == 413
    assert endless.tell() == MIB + 1


def test_a41_a_body_shorter_than_announced_is_malformed(client):
    """Guard: populace/api/parsers.py:body_of."""
    response = client.post(USERS, "", CONTENT_LENGTH="100", **JSON, **{"wsgi.input": io.BytesIO(b"{}")})
    assert (response.status_code, response.json()["code"]) == (400, "malformed")
