"""Connections that never become a request do not stay."""

import socket
import sys

from tests.support.processes import start, wait_until

HEAD = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n"
SERVE = "from populace.cli import serving; serving.HEAD_S = 1; serving.serve(None)"


def test_a_connection_without_a_whole_head_is_closed(installation):
    """populace/cli/serving.py:serve"""
    installation.web = start([sys.executable, "-c", SERVE], installation.env)
    wait_until(installation.ready, "/readyz")
    answered = HEAD + b"\r\n"
    for begun in (b"", b"GET / HT", HEAD, answered):
        with socket.create_connection(("127.0.0.1", installation.port), timeout=5) as connection:
            connection.sendall(begun)
            came = b"".join(iter(lambda: connection.recv(4096), b""))
            assert came.startswith(b"HTTP/1.1 200 OK") if begun is answered else came == b""
