"""What goes over a PostgreSQL connection, as far as a proxy has to know it (protocol 3.0, no TLS)."""

from collections.abc import Iterator

ASKS_FOR_ENCRYPTION = (80877103, 80877104)  # SSLRequest, GSSENCRequest; answered by one bare byte


class Frontend:
    """What a client says: gives the text of each statement that it has run, prepared ones too."""

    def __init__(self) -> None:
        self.rest = b""
        self.started = False
        self.bare_answers = 0  # bytes without a head that the server will say
        self.statements: dict[bytes, str] = {}

    def feed(self, data: bytes) -> Iterator[str]:
        """Take bytes; yield the SQL of each statement whose order to run is complete by now."""
        self.rest += data
        while message := self._next():
            kind, body = message[:1], message[5:]
            if kind == b"P":
                name, _, text = body.partition(b"\0")
                self.statements[name] = text.partition(b"\0")[0].decode()
            elif kind == b"B":
                _, _, name = body.partition(b"\0")
                yield self.statements.get(name.partition(b"\0")[0], "")
            elif kind == b"Q":
                yield body.rstrip(b"\0").decode()

    def _next(self) -> bytes:
        """Take a whole message off the front; b"" while there is none."""
        while not self.started and len(self.rest) >= 8:
            length, code = int.from_bytes(self.rest[:4]), int.from_bytes(self.rest[4:8])
            if len(self.rest) < length:
                return b""
            self.rest = self.rest[length:]
            self.bare_answers += code in ASKS_FOR_ENCRYPTION
            self.started = code not in ASKS_FOR_ENCRYPTION
        return self._typed()

    def _typed(self) -> bytes:
        length = 1 + int.from_bytes(self.rest[1:5])
        if not self.started or len(self.rest) < 5 or len(self.rest) < length:
            return b""
        message, self.rest = self.rest[:length], self.rest[length:]
        return message


class Backend:
    """What the server says: tells when it has answered all of a statement."""

    def __init__(self, frontend: Frontend) -> None:
        self.rest, self.frontend = b"", frontend

    def feed(self, data: bytes) -> bool:
        """Take bytes; tell whether a ReadyForQuery was among them: what was asked is done, and committed if alone."""
        bare = min(self.frontend.bare_answers, len(data)) if not self.rest else 0
        self.frontend.bare_answers -= bare
        self.rest += data[bare:]
        ready = False
        while len(self.rest) >= 5 and len(self.rest) >= (length := 1 + int.from_bytes(self.rest[1:5])):
            ready = ready or self.rest[:1] == b"Z"
            self.rest = self.rest[length:]
        return ready
