"""A mail server on loopback that misbehaves as a test says, and a worker with shorter limits than the real one.

python -c "from tests.support.mailserver import work; work()"
"""

import os
import re
import socket
import sys
import threading
import time
from typing import NamedTuple

import django

from tests.support.ports import free_port

TRY_S, FIRST_S, LOOK_S = 2.0, 1.0, 0.3
"""Of the worker started by work(): populace/infra/mail has 30, 5 and 15."""


class Received(NamedTuple):
    """A mail that the server took."""

    to: str
    message_id: str


class MailServer:
    """Speaks SMTP as `mode` says; `received` are the mails it took, `tries` the times each connection was begun.

    ok; 421: greets with it and hangs up; hang: says nothing after EHLO; trickle: sends a byte every `drip_s` and never
    ends a line; drop: hangs up when the whole mail is there; defer: 451 to every recipient; bounce: 550 to those who
    have `bounce` in their address.
    """

    def __init__(self) -> None:
        self.port, self.mode, self.drip_s = free_port(), "ok", 0.05
        self.received: list[Received] = []
        self.dropped: list[Received] = []
        self.tries: list[float] = []
        self._listener: socket.socket | None = None
        self.listen()

    def listen(self) -> None:
        """Accept connections from now on."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def refuse(self) -> None:
        """Accept none any more."""
        if self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.tries.append(time.monotonic())
            threading.Thread(target=self._speak, args=(connection,), daemon=True).start()

    def _speak(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rwb", buffering=0) as lines:
                self._session(lines)
        except OSError:
            pass

    def _session(self, lines) -> None:
        if self.mode == "421":
            return lines.write(b"421 come back later\r\n")
        while self.mode == "trickle":
            lines.write(b"2")
            time.sleep(self.drip_s)
        lines.write(b"220 ready\r\n")
        to = ""
        while line := lines.readline():
            command = line[:4].upper()
            if command == b"EHLO" and self.mode == "hang":
                lines.readline()  # until the other side hangs up
            elif command == b"RCPT":
                to = re.search(rb"<(.*)>", line)[1].decode()
                lines.write(self._answer_to(to))
            elif command == b"DATA":
                lines.write(b"354 go on\r\n")
                mail = self._body(lines)
                found = Received(to, re.search(rb"^Message-ID: (.*?)\r?$", mail, re.MULTILINE)[1].decode())
                if self.mode == "drop":
                    return self.dropped.append(found)
                self.received.append(found)
                lines.write(b"250 taken\r\n")
            elif command == b"QUIT":
                return lines.write(b"221 bye\r\n")
            else:
                lines.write(b"250 ok\r\n")
        return None

    def _answer_to(self, address: str) -> bytes:
        if self.mode == "bounce" and "bounce" in address:
            return b"550 no such mailbox\r\n"
        return b"451 not now\r\n" if self.mode == "defer" else b"250 ok\r\n"

    def _body(self, lines) -> bytes:
        body = b""
        while (line := lines.readline()) not in (b".\r\n", b""):
            body += line
        return body


def work() -> None:
    """Work as `populace worker` does, with the limits above."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from populace.cli import main
    from populace.infra.mail import delivery, smtp, waiting

    smtp.TRY_S, delivery.FIRST_S, waiting.LOOK_S = TRY_S, FIRST_S, LOOK_S
    sys.argv = ["populace", "worker"]
    main()
