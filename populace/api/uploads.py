"""A form with a file (multipart/form-data, RFC 7578), received in constant memory: the file goes to the disk at once.

Django's parser reads the form; its own handlers would keep small files in memory and large ones in /tmp.
"""

from collections.abc import Collection
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple, cast

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from populace.api.problems import Fault, Problem
from populace.infra.db.pool import give_back

FRAMING = 1 << 20  # bytes that a form may have beside its file
PIECE = 1 << 16  # bytes read at a time


class Upload(NamedTuple):
    """A form: its file, what that is called, and the other fields by name."""

    path: Path
    filename: str
    content_type: str
    fields: dict[str, str]
    digest: bytes
    """Of the file and the fields, whatever parts them: a form that is sent again has another boundary."""


def received(request: HttpRequest, folder: Path, *, names: Collection[str], most: int) -> Upload:
    """Return the form, its file (the part `file`, at most `most` bytes) in `folder`, and no other fields than `names`.

    Raises Problem 400, 413, 415. Holds no connection to the database meanwhile.
    """
    meta = request.META
    media, _, _ = meta.get("CONTENT_TYPE", "").partition(";")
    if media.strip().lower() != "multipart/form-data" or meta.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        raise Problem("unsupported_media_type", "Send multipart/form-data, without Content-Encoding.")
    body = _Body(request, most + FRAMING)
    file = _File(folder / "file", most)
    give_back()
    try:
        headers = meta | {"CONTENT_LENGTH": "1"}  # the parser takes 0 for nothing, and counts nothing
        posted, _ = MultiPartParser(headers, cast(Any, body), [file], "utf-8").parse()
    except RequestDataTooBig:
        raise Problem("too_large", "A field is too large.") from None
    except (MultiPartParserError, SuspiciousOperation):
        raise Problem("malformed", "The form could not be read.") from None
    finally:
        file.file.close()
    body.check_end()
    request.body_is_read = True  # type: ignore[attr-defined]  # for the middleware
    if not file.is_whole:
        raise Problem("invalid", errors=[Fault("/file", "required", "Send the file in a part `file` with a filename.")])
    fields = _fields(posted, names)
    parts = [file.digest.digest(), *(f"{name}={fields[name]}".encode() for name in sorted(fields))]
    digest = blake2b(b"\0".join(parts), digest_size=32).digest()
    return Upload(file.path, file.file_name or "", file.content_type or "", fields, digest)


def _fields(posted: Any, names: Collection[str]) -> dict[str, str]:
    faults = [
        Fault(f"/{name[:200]}", "unknown_field", "There is no such field.") for name in posted if name not in names
    ]
    faults += [Fault(f"/{name}", "invalid", "Sent more than once.") for name in names if len(posted.getlist(name)) > 1]
    if faults:
        raise Problem("invalid", errors=faults[:20])
    return dict(posted.items())


class _Body:
    """The request's body as it comes, never more than announced or allowed."""

    def __init__(self, request: HttpRequest, most: int) -> None:
        self._stream = request.META["wsgi.input"]
        self._most, self._left = most, -1  # what is still to come, -1 where nobody says
        length = request.META.get("CONTENT_LENGTH") or ""
        if length or "HTTP_TRANSFER_ENCODING" not in request.META:
            self._left = int(length) if length.isdecimal() else 0
            if self._left > most:
                raise Problem("too_large", TOO_LARGE)

    def read(self, size: int = PIECE) -> bytes:
        """Return some bytes, none at the end. Raises Problem `too_large`."""
        size = min(size, PIECE) if self._left < 0 else min(size, PIECE, self._left)
        if not size:
            return b""
        data: bytes = self._stream.read(size)
        self._most -= len(data)
        if self._most < 0:
            raise Problem("too_large", TOO_LARGE)
        if self._left > 0:
            self._left -= len(data)
        return data

    def check_end(self) -> None:
        """Raise Problem `malformed` where less came than was announced."""
        if self._left > 0:
            raise Problem("malformed", "The body ended before its announced length.")


TOO_LARGE = "The file is larger than this path takes."


class _File(FileUploadHandler):
    """Writes the one file of a form to `path`."""

    chunk_size = PIECE

    def __init__(self, path: Path, most: int) -> None:
        super().__init__()
        self.path, self._most = path, most
        self.file = path.open("xb")
        self.digest = blake2b(digest_size=32)
        self.began = self.is_whole = False

    def new_file(self, field_name: str, *args: Any, **options: Any) -> None:
        """Begin a file. Raises Problem for any but the first one called `file`."""
        if field_name != "file" or self.began:
            raise Problem("invalid", errors=[Fault("/file", "invalid", "Send one file, in a part called `file`.")])
        self.began = True
        super().new_file(field_name, *args, **options)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Write a piece. Raises Problem `too_large`."""
        if start + len(raw_data) > self._most:
            raise Problem("too_large", TOO_LARGE)
        self.digest.update(raw_data)
        self.file.write(raw_data)

    def file_complete(self, file_size: int) -> "UploadedFile[bytes] | None":
        """Note that the next boundary came."""
        self.is_whole = True
        return None
