"""Zip archives: workbooks, and folders in one file. Members are read where they lie; none is written anywhere."""

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from populace.bulk.errors import FileRefused
from populace.bulk.formats.source import BOMB, FILE_MAX, RATIO_FROM, RATIO_MAX, TOO_LARGE

DIRECTORY_MAX = 4 << 20  # bytes of the archive's own list, which is read at once: some 50,000 members
NO_ZIP = "is no whole zip archive"


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive that may be read. Raises FileRefused, also while it is read."""
    with path.open("rb") as raw:
        try:
            with zipfile.ZipFile(cast(BinaryIO, _Bounded(raw))) as archive:
                _check(archive.infolist())
                yield archive
        except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError, zipfile.LargeZipFile):
            raise FileRefused(NO_ZIP) from None


def member_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> BinaryIO:
    """Open a member; reading raises FileRefused where it is broken."""
    return io.BufferedReader(_Member(archive.open(member)), 64 << 10)


def is_zip(start: bytes) -> bool:
    """Tell by its first bytes whether a file is a zip archive."""
    return start.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def _check(members: list[zipfile.ZipInfo]) -> None:
    """Raise FileRefused for what no honest archive of people has."""
    size, packed = 0, 0
    for member in members:
        place = PurePosixPath(member.filename.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts or ":" in member.filename:
            raise FileRefused("is an archive with a path that leads out of it")
        if member.flag_bits & 1:
            raise FileRefused("is an archive under a password")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileRefused("is an archive packed in a way other than deflate")
        # A reader gives no more of a member than this, whatever lies there.
        size, packed = size + member.file_size, packed + member.compress_size
    if size > FILE_MAX:
        raise FileRefused(f"{TOO_LARGE} when unpacked")
    if size > max(RATIO_FROM, RATIO_MAX * packed):
        raise FileRefused(BOMB)


class _Member(io.RawIOBase):
    """A member as bytes."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed, self._given = packed, 0

    def tell(self) -> int:
        """Return how many bytes have been read."""
        return self._given

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]  # of io's own buffer type
        """Fill the buffer; returns the number of bytes."""
        try:
            data = self._packed.read(len(buffer))
        except (zipfile.BadZipFile, EOFError, OSError, zlib.error):
            raise FileRefused(NO_ZIP) from None
        self._given += len(data)
        buffer[: len(data)] = data
        return len(data)


class _Bounded(io.RawIOBase):
    """A file of which no more than DIRECTORY_MAX is read at once: an archive's list of members says its own size."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it has places."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._raw.tell()

    def read(self, size: int | None = -1) -> bytes:
        """Read at once what may be read at once. Raises FileRefused."""
        data = self._raw.read(DIRECTORY_MAX + 1 if size is None or size < 0 else min(size, DIRECTORY_MAX + 1))
        if len(data) > DIRECTORY_MAX:
            raise FileRefused("is an archive of too many files")
        return data
