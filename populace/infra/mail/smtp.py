"""Django's SMTP backend with a limit for the whole try, from the first packet to the last.

A time-out of a socket alone is one of each read: a server that sends a byte a second would hold a worker for ever.
"""

import smtplib
import socket
import threading
from contextlib import suppress
from time import monotonic
from typing import Any

from django.core.mail.backends import smtp

TRY_S = 30.0
"""Seconds of one try, connecting included. To find the server's address may take the resolver's own time before."""


class Bounded(smtplib.SMTP):
    """A connection that is cut TRY_S after it was begun, whatever it is at; who waits finds it closed."""

    _timer: threading.Timer | None = None  # set while the constructor of SMTP runs
    _handle: socket.socket

    def _get_socket(self, host: str, port: int, timeout: Any) -> socket.socket:
        until = monotonic() + TRY_S
        connected = _connected(host, port, until)
        self._handle = connected.dup()  # the socket itself is replaced where TLS begins
        self._timer = threading.Timer(until - monotonic(), self._cut)
        self._timer.daemon = True
        self._timer.start()
        return connected

    def _cut(self) -> None:
        with suppress(OSError):  # it has just been closed
            self._handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
            self._handle.close()
        super().close()


def _connected(host: str, port: int, until: float) -> socket.socket:
    """Return a connection to the first of the host's addresses that answers; each has its share of the time left."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for number, (family, kind, protocol, _, address) in enumerate(found, 1):
        connection = socket.socket(family, kind, protocol)
        connection.settimeout(max((until - monotonic()) / (len(found) + 1 - number), 0.1))
        try:
            connection.connect(address)
        except OSError:
            connection.close()
            if number == len(found):
                raise
        else:
            connection.settimeout(TRY_S)
            return connection
    raise OSError("the mail server has no address")


class EmailBackend(smtp.EmailBackend):
    """What EMAIL_URL=smtp://… stands for."""

    connection_class = Bounded  # a property there, which chooses by use_ssl
