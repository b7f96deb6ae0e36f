"""Files of jobs: what was sent in and what came out, in a folder or a bucket that all processes share (FILES_URL).

A key is a path of names of ours, `jobs/<id>/<name>`. A file is there when it is whole, and never changes.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Protocol

from django.conf import settings

from populace.infra.storage.local import Folder

BLOCK = 1 << 16  # bytes read at a time


class Missing(Exception):
    """There is no file of this key (any more)."""


class Storage(Protocol):
    """Where files are kept."""

    def put(self, key: str, path: Path) -> None:
        """Keep a copy of the file at `path`, instead of what is there."""

    def get(self, key: str, path: Path) -> None:
        """Write a copy to `path`. Raises FileNotFoundError."""

    def blocks(self, key: str) -> Iterator[bytes]:
        """Yield the bytes, at most BLOCK at a time. Raises FileNotFoundError, before the first."""

    def remove(self, key: str) -> None:
        """Remove it, if it is there."""


@cache
def storage() -> Storage:
    """Return the storage of FILES_URL."""
    return Folder(Path(settings.FILES["folder"]))
