"""The bytes of a file to import, read piece by piece and never written anywhere; gzip is unpacked on the way."""

import gzip
import io
import zlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, BinaryIO, cast

from populace.bulk.errors import FileRefused

FILE_MAX = 2 << 30  # bytes, as they lie there and unpacked
RATIO_MAX = 200
"""How many times larger than packed a file may become: a list of people in JSON becomes 5 to 20 times as large."""
RATIO_FROM = 16 << 20  # bytes unpacked before the ratio counts

TOO_LARGE = f"larger than {FILE_MAX >> 30} GiB"
BOMB = f"becomes more than {RATIO_MAX} times as large when unpacked, which no list of people does"


class Source(AbstractContextManager["Source", None]):
    """A file open for reading, or one of several that are read one after another; `behind` tells how far it is read."""

    def __init__(self, path: Path) -> None:
        self.called = ""  # which of several it is, in words
        self._raw: BinaryIO = path.open("rb")
        self._before, self._total = 0, max(path.stat().st_size, 1)
        packed = self._raw.read(2) == b"\x1f\x8b"
        self._raw.seek(0)
        # BufferedReader, since a text reader asks for read1().
        self.file: BinaryIO = io.BufferedReader(_Unpacked(self._raw)) if packed else self._raw

    @classmethod
    def part(cls, raw: BinaryIO, *, before: int, total: int, name: str) -> "Source":
        """Return one of several that follow each other, as it lies there; `before` bytes of `total` come before it."""
        self = cls.__new__(cls)
        self.called = f" in {name}"
        self._raw = self.file = raw
        self._before, self._total = before, max(total, 1)
        return self

    @property
    def behind(self) -> float:
        """The share of all bytes that has been read, 0 to 1."""
        return min((self._before + self._raw.tell()) / self._total, 1)

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self._raw.close()


def starts_with(path: Path, count: int) -> bytes:
    """Return the first bytes, unpacked. Raises FileRefused."""
    with Source(path) as source:
        return source.file.read(count)


class _Unpacked(io.RawIOBase):
    """What a gzip file holds; reading raises FileRefused where it is broken or a bomb."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._gzip = gzip.GzipFile(fileobj=cast(IO[bytes], raw))
        self._given = 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]  # of io's own buffer type
        """Fill the buffer; returns the number of bytes."""
        try:
            data = self._gzip.read(len(buffer))
        except (EOFError, OSError, zlib.error):
            raise FileRefused("is no whole gzip file") from None
        self._given += len(data)
        if self._given > FILE_MAX:
            raise FileRefused(f"{TOO_LARGE} when unpacked")
        if self._given > max(RATIO_FROM, RATIO_MAX * self._raw.tell()):
            raise FileRefused(BOMB)
        buffer[: len(data)] = data
        return len(data)
