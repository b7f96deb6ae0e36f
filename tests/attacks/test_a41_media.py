"""A41: bodies of another media type, and requests whose end the two sides could see in different places.

What no test client would send goes over bare sockets. A request id tells which request an answer is about.
"""

import gzip
import json
import time
import zlib

import pytest

from tests.support.raw import Line, request

USERS = "/api/v1/users"
JSON = "Content-Type: application/json"
PERSON = b'{"username":"came.in"}'
NEXT = request("GET", "/livez", "X-Request-ID: next", "Connection: close")
SMUGGLED = request("GET", "/livez", "X-Request-ID: smuggled")


@pytest.fixture
def exchange(town):
    """Return `exchange(*headers, body, method) -> answers`: a call with a token, and NEXT behind it."""

    def send(*headers, body=b"", method="POST", ends=False):
        first = request(
            method, USERS, f"Authorization: Bearer {town.token}", "X-Request-ID: first", *headers, body=body
        )
        with Line(town.port) as line:
            line.send(first + NEXT)
            if ends:
                line.end()
            return list(line.answers())

    return send


def ids(answers):
    return [answer.headers.get("x-request-id", [""])[0] for answer in answers]


def check_refused(answers, *statuses):
    """The first is refused; behind it comes NEXT as itself or nothing, and where nothing comes that is announced."""
    first, *others = answers
    assert first.status in statuses, first
    assert ids(others) in ([], ["next"])
    assert others or first.headers["connection"] == ["close"]


@pytest.mark.parametrize(
    "media",
    [
        *("", "text/plain", "text/json", "application/xml", "application/x-www-form-urlencoded", "application/jsonp"),
        *("application/json-patch+json", "application/problem+json", "multipart/form-data; boundary=x", "json", "*/*"),
        *("application/json, text/plain", "application/json; charset=utf-7", "application/json; charset=utf-16"),
        *("application/json; charset=latin-1", "application/json; charset=utf-8; charset=utf-7", "application/ json"),
        *('application/json; charset="utf-8', "application/json; boundary=x", "application/json\xa0"),
    ],
)
def test_a41_another_media_type_is_refused_before_parsing(exchange, same, media):
    """Guard: populace/api/parsers.py:check_media."""
    same()
    for body in (PERSON, b"{" * 1000):
        answers = exchange(f"Content-Type: {media}", f"Content-Length: {len(body)}", body=body)
        check_refused(answers, 415)
        assert json.loads(answers[0].body)["code"] == "unsupported_media_type"


def test_a41_a_missing_media_type_is_refused(exchange, same):
    """Guard: populace/api/parsers.py:check_media."""
    same()
    check_refused(exchange(f"Content-Length: {len(PERSON)}", body=PERSON), 415)


def test_a41_of_two_media_types_the_first_counts(exchange, same):
    """The server tells us no other. Guard: populace/api/parsers.py:check_media."""
    same()
    check_refused(exchange("Content-Type: text/plain", JSON, f"Content-Length: {len(PERSON)}", body=PERSON), 415)


@pytest.mark.parametrize("charset", ["utf-7", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp037"])
def test_a41_only_utf_8_is_read(exchange, same, charset):
    """Under its own name or under that of JSON. Guard: populace/api/parsers.py:check_media, decoded."""
    text = '{"username":"came.in","first_name":"+ADw-é"}'
    body = text.encode(charset)
    same()
    check_refused(exchange(f"{JSON}; charset={charset}", f"Content-Length: {len(body)}", body=body), 415)
    if charset != "utf-7":  # which is ASCII, and so is read as the text it spells
        check_refused(exchange(JSON, f"Content-Length: {len(body)}", body=body), 400)


def bomb():
    """Return a gzip of 1 GB of zeros in less than 1 MiB: one megabyte's block, again and again."""
    packer = zlib.compressobj(9, wbits=31)

    def block():
        return packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)

    return block() + block() * 999 + packer.flush()


def test_a41_nothing_is_unpacked(town, exchange, same):
    """Guard: populace/api/parsers.py:check_media."""
    packed, large = gzip.compress(PERSON), bomb()
    assert len(large) <= 1 << 20
    same()
    started = time.perf_counter()
    for encoding in ("gzip", "GZIP", "x-gzip", "deflate", "br", "zstd", "identity, gzip", "gzip, identity", "unknown"):
        for body in (packed, large):
            check_refused(
                exchange(JSON, f"Content-Encoding: {encoding}", f"Content-Length: {len(body)}", body=body), 415
            )
    assert time.perf_counter() - started < 18  # 1 s each, for what takes milliseconds
    check_refused(exchange(JSON, f"Content-Length: {len(packed)}", body=packed), 400)


def test_a41_an_endless_body_is_ended(town, same):
    """In chunks without a last one. Guard: populace/api/parsers.py:body_of."""
    same()
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    head = request("POST", USERS, f"Authorization: Bearer {town.token}", JSON, "Transfer-Encoding: chunked")
    with Line(town.port) as line:
        line.send(head)
        taken = 0
        line.socket.settimeout(1)
        while taken < 500 and line.send(chunk):
            taken += 1
        assert taken < 200  # 12 MiB: what lies in the two kernels' buffers, and no more
        answers = list(line.answers())
    assert [answer.status for answer in answers] in ([], [413])  # [] where the reset overtook the answer
    assert town.http.get("/livez").status_code == 200


def test_a41_a_chunked_body_is_a_body(town, exchange):
    """Guard: populace/api/parsers.py:body_of."""
    body = b'8\r\n{"extern\r\n13;x=y\r\nal_id":"in chunks"}\r\n0\r\nX-Request-ID: smuggled\r\n\r\n'
    answers = exchange(JSON, "Transfer-Encoding: chunked", body=body)
    assert [answer.status for answer in answers] == [201, 200]
    assert ids(answers) == ["first", "next"]


LIES = ["-1", "+22", "2 2", "22,23", "0x16", "2_2", "22.0", "2e1", "9" * 30, "", "22\r\nContent-Length: 23", "22\xb2"]


@pytest.mark.parametrize("length", LIES)
def test_a41_a_length_that_is_none_ends_the_connection(exchange, same, length):
    """Guard: none of ours: the server (granian) answers before any of our code; this holds its upgrades to it."""
    same()
    check_refused(exchange(JSON, f"Content-Length: {length}", body=PERSON), 400, 413)


def test_a41_a_body_longer_than_announced_is_the_next_request(exchange, same):
    """What is left over is a request of its own, or nonsense. Guard: none of ours (granian)."""
    same()
    answers = exchange(JSON, "Content-Length: 4", body=PERSON)
    assert [answer.status for answer in answers] == [400, 400]
    assert answers[1].headers["connection"] == ["close"]


@pytest.mark.parametrize("ends", [True, False], ids=["ends", "waits"])
def test_a41_a_body_shorter_than_announced_does_nothing(town, same, ends):
    """Guard: populace/api/parsers.py:body_of."""
    same()
    head = (f"Authorization: Bearer {town.token}", JSON, f"Content-Length: {len(PERSON) + 10}")
    with Line(town.port) as line:
        line.send(request("POST", USERS, *head, body=PERSON))
        if ends:
            line.end()
        line.socket.settimeout(1)
        assert [answer.status for answer in line.answers()] in ([], [400])


def test_a41_a_length_beyond_the_limit_is_refused_before_the_body_comes(town, same):
    """And says that the connection ends. Guard: populace/api/parsers.py:body_of, api/middleware.py:is_left_unread."""
    same()
    head = (f"Authorization: Bearer {town.token}", JSON, f"Content-Length: {1 << 40}")
    with Line(town.port) as line:
        line.send(request("POST", USERS, *head))
        [answer] = line.answers()
    assert (answer.status, answer.headers["connection"]) == (413, ["close"])


@pytest.mark.parametrize("media", ["text/plain", "application/json"])
def test_a41_a_body_that_comes_after_its_refusal_is_no_request(town, same, media):
    """Guard: populace/api/middleware.py:is_left_unread: the server closes then, and the answer has to say so."""
    same()
    headers = [f"Content-Type: {media}", f"Content-Length: {len(SMUGGLED)}"]
    if media == "text/plain":
        headers.append(f"Authorization: Bearer {town.token}")  # or the refusal is 401
    with Line(town.port) as line:
        line.send(request("POST", USERS, *headers))
        time.sleep(0.1)  # by now it is refused
        line.send(SMUGGLED + NEXT)
        answers = list(line.answers())
    assert [answer.status for answer in answers] == [415 if media == "text/plain" else 401]
    assert answers[0].headers["connection"] == ["close"]


BOTH = [
    *("chunked", "Chunked", "chunked ", "\tchunked", "gzip, chunked", "identity, chunked", "chunked, chunked"),
    *("chunked, identity", "identity", "xchunked", "\x0bchunked", '"chunked"', "chunked;q=1", "chun ked", "", ","),
    *("chunked\r\nTransfer-Encoding: identity", "identity\r\nTransfer-Encoding: chunked", "x\r\n chunked"),
]


@pytest.mark.parametrize("order", ["length first", "length last"])
@pytest.mark.parametrize("coding", BOTH)
def test_a41_with_two_lengths_nothing_follows(exchange, same, coding, order):
    """A proxy that goes by the other one would see a request in what is left. Guard: none of ours (granian)."""
    same()
    by_length = b"0\r\n\r\n" + SMUGGLED
    by_chunks = b"%x\r\n" % len(SMUGGLED) + SMUGGLED + b"\r\n0\r\n\r\n"
    for length, body in ((len(by_length), by_length), (4, by_chunks)):
        lines = [f"Content-Length: {length}", f"Transfer-Encoding: {coding}"]
        answers = exchange(JSON, *(lines if order == "length first" else lines[::-1]), body=body)
        assert [answer.status for answer in answers] == [400]
        assert answers[0].headers["connection"] == ["close"]


@pytest.mark.parametrize(
    "header",
    ["Transfer-Encoding : chunked", " Transfer-Encoding: chunked", "Transfer-Encoding\t: chunked", "X: 1\r\n\tchunked"],
)
def test_a41_a_header_spelt_for_one_side_only_ends_the_connection(exchange, same, header):
    """Guard: none of ours (granian)."""
    same()
    answers = exchange(JSON, header, f"Content-Length: {5 + len(SMUGGLED)}", body=b"0\r\n\r\n" + SMUGGLED)
    assert [answer.status for answer in answers] == [400]


def test_a41_an_underscore_is_no_hyphen(exchange, same):
    """To WSGI both are one name. Guard: none of ours (granian)."""
    same()
    body = b"0\r\n\r\n" + SMUGGLED
    answers = exchange(JSON, "Transfer_Encoding: chunked", f"Content-Length: {len(body)}", body=body)
    assert [answer.status for answer in answers][:1] == [400]
    assert "smuggled" not in ids(answers)


@pytest.mark.parametrize(
    "body",
    [
        *(b"zz\r\n{}\r\n0\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n", b"0x2\r\n{}\r\n0\r\n\r\n", b"\r\n{}\r\n0\r\n\r\n"),
        *(
            b"f" * 17 + b"\r\n{}\r\n0\r\n\r\n",
            b"2\r\n{}xx0\r\n\r\n",
            b"2 2\r\n{}\r\n0\r\n\r\n",
            b"1\r\n{}\r\n0\r\n\r\n",
        ),
    ],
    ids=repr,
)
def test_a41_broken_chunks_end_the_connection(exchange, same, body):
    """Guard: populace/api/parsers.py:body_of and decoded; that nothing follows is the server's."""
    same()
    answers = exchange(JSON, "Transfer-Encoding: chunked", body=body + SMUGGLED)
    assert [answer.status for answer in answers] == [400]


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
def test_a41_a_body_where_none_belongs_is_no_request(town, exchange, same, method):
    """Guard: none of ours for what came along; populace/api/middleware.py:is_left_unread for what comes later."""
    same()
    answers = exchange(f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED, method=method)
    assert "smuggled" not in ids(answers)
    assert answers[0].headers["connection"] == ["close"]


CODECS = ["rot13", "base64", "zlib", "hex", "bz2", "idna", "punycode", "undefined", "unicode_escape", "utf-16", "utf-7"]


def test_a41_a_media_type_that_no_parser_takes_is_none(town):
    """Guard: config/wsgi.py:Request (Python's own parser raises TypeError there)."""
    with Line(town.port) as line:
        line.send(request("GET", "/livez", "Content-Type: a/b; x*0=a; x*=b", "X-Request-ID: odd", "Connection: close"))
        [answer] = line.answers()
    assert (answer.status, answer.headers["x-request-id"]) == (200, ["odd"])


@pytest.mark.parametrize("codec", [*CODECS, "mbcs", "x" * 9_000, "x" * 11_000, "../../x", "", '"', "\xff"])
def test_a41_no_charset_reaches_the_query(town, codec):
    """Guard: config/wsgi.py:Request."""
    for path in ("/console/login/?next=%C3%A9/x", f"{USERS}?q=%C3%A9", "/nope?%C3%A9", "/console/?%FF=%FF"):
        with Line(town.port) as line:
            headers = (f"Authorization: Bearer {town.token}", f"Content-Type: text/html; charset={codec}")
            line.send(request("GET", path, *headers, "Connection: close"))
            [answer] = line.answers()
        assert answer.status in (200, 302, 404)
