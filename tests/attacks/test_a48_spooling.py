"""A48, the part about sending: a large file is spooled to the disk, and neither web nor worker grows with it."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.processes import wait_until
from tests.support.supervised import descendants_of

LARGE = 120 << 20  # bytes
PIECE = 1 << 20
HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="people.csv"\r\n\r\nemail,first_name\n'
LINE = b"no address," + b"x" * (1 << 14) + b"\n"


def memory(pid: int) -> int:
    """Return the greatest resident memory of a process and those below it, in bytes."""
    texts = [Path(f"/proc/{one}/status").read_text() for one in descendants_of(pid)]
    return max(int(text.partition("VmHWM:")[2].split()[0]) for text in texts if "VmHWM:" in text) << 10


def request(server, length: int | None, path: str = "/api/v1/imports") -> socket.socket:
    """Begin a request; without a length its body comes in chunks."""
    parts = urlsplit(server.url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=60)
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    connection.sendall(
        f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {server.token}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\n{size}\r\n\r\n".encode()
    )
    return connection


def status(connection: socket.socket) -> int:
    return int(connection.makefile("rb").readline().split()[1])


def body(size: int):
    """Yield a form with a file of about this size, a piece at a time."""
    yield HEAD
    piece = LINE * (PIECE // len(LINE))
    for _ in range(size // len(piece)):
        yield piece
    yield b"\r\n--x--\r\n"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
def test_a48_a_large_file_takes_disk_and_no_memory(installation, chunked):
    """Guard: populace/api/uploads.py:_File (written as it comes)."""
    installation.env |= {"POPULACE_WEB_PROCESSES": "1"}
    installation.start_web()
    before = memory(installation.web.pid)
    length = None if chunked else sum(map(len, body(LARGE)))
    with request(installation, length) as connection:
        for piece in body(LARGE):
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        connection.sendall(b"0\r\n\r\n" if chunked else b"")
        assert status(connection) == 202
    assert memory(installation.web.pid) - before < 64 << 20
    assert list((installation.var / "spool").iterdir()) == []
    if chunked:
        return  # the import of it is the same, however it came
    installation.start_worker()
    [job] = installation.http.get("/api/v1/jobs").json()["results"]

    def over():
        return (now := installation.http.get(f"/api/v1/jobs/{job['id']}").json())["state"] == "succeeded" and now

    assert wait_until(over, "the job is over", 240)["result"]["failed"] > 1000
    assert memory(installation.worker.pid) < 300 << 20
    assert list((installation.var / "spool").iterdir()) == []


def test_a48_what_is_announced_as_too_large_is_refused_unread(server):
    """Guard: populace/api/uploads.py:_Body."""
    with request(server, (2 << 30) + (2 << 20)) as connection:
        assert status(connection) == 413
    with request(server, None) as connection:
        connection.sendall(b"1\r\nx\r\n")  # and then nothing: no connection to the database is held meanwhile
        assert server.http.get("/readyz").status_code == 200


def test_a48_a_form_that_ends_before_its_announced_length_is_no_import(server):
    """Guard: populace/api/uploads.py:_Body.check_end."""
    whole = b"".join(body(0))
    with request(server, len(whole) + 10) as connection:
        connection.sendall(whole)
        connection.shutdown(socket.SHUT_WR)
        assert b" 202 " not in connection.makefile("rb").readline()
    assert server.http.get("/api/v1/jobs").json()["results"] == []


def test_a48_who_may_not_import_sends_nothing(server):
    """Guard: populace/bulk/api.py:Imports.initial."""
    server.token = server.http.post("/api/v1/tokens", json={"name": "t", "scopes": ["users:read"]}).json()["secret"]
    with request(server, 1 << 30) as connection:
        assert status(connection) == 403


@pytest.mark.parametrize("length", [1 << 30, None], ids=["length", "chunks"])
@pytest.mark.parametrize("path", ["/console/login/", "/console/import/"])
def test_a48_who_is_not_signed_in_fills_no_disk_by_a_form_of_the_console(server, path, length):
    """Guard: populace/console/browser.py:_bounded."""
    with request(server, length, path) as connection:
        assert status(connection) == 413
    assert list((server.var / "spool").iterdir()) == []
