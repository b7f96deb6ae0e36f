"""HTTP/1.1 byte by byte, for requests that no client library would send."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPResponse, IncompleteRead, RemoteDisconnected
from typing import NamedTuple

WAIT_S = 5  # for the next bytes of an answer


class Answer(NamedTuple):
    """What came: `headers` has lower-case names, each with all its values."""

    status: int
    headers: dict[str, list[str]]
    body: bytes


def request(method: str, path: str, *headers: str, body: bytes = b"", host: str = "127.0.0.1") -> bytes:
    """Return a request as it goes over the wire; each header is a whole line, byte for byte (Latin-1)."""
    head = "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *headers])
    return head.encode("latin-1") + b"\r\n\r\n" + body


class Line:
    """One connection: `send` bytes, then read the `answers` until the server closes or says nothing more."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> bool:
        """Send it all; tell whether the server took it (it may close in between)."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def end(self) -> None:
        """Send nothing more."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def answers(self) -> Iterator[Answer]:
        """Yield answer by answer."""
        stream = _Kept(self.socket)
        while True:
            response = HTTPResponse(stream)  # type: ignore[arg-type]
            try:
                response.begin()
                body = response.read()
            except (RemoteDisconnected, ConnectionError, TimeoutError, IncompleteRead):
                return
            headers: dict[str, list[str]] = {}
            for name, value in response.getheaders():
                headers.setdefault(name.lower(), []).append(value)
            yield Answer(response.status, headers, body)
            if response.will_close:
                return


class _Kept:
    """A socket whose one buffer all answers are read from: HTTPResponse would make a new one each, and lose bytes."""

    def __init__(self, connection: socket.socket) -> None:
        self.file = connection.makefile("rb")
        self.close = self.file.close
        self.file.close = lambda: None  # type: ignore[method-assign]

    def makefile(self, mode: str) -> object:
        return self.file
