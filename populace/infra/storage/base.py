"""What every engine of the storage promises; tests/contract/test_storage.py holds all of them to it.

A key is a path of names of ours, `jobs/<id>/<name>`. A file is there when it is whole, and never changes. Every wait is
bounded. What an engine cannot do now it says by raising Unavailable: a request is then answered 503, a task is tried
again. It fails closed: nothing is kept anywhere else meanwhile.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

BLOCK = 1 << 16  # bytes read at a time


class Unavailable(Exception):
    """The storage cannot be written or read now; the message says why, without a secret."""


class Storage(Protocol):
    """Where files are kept. Every method raises Unavailable."""

    def put(self, key: str, path: Path) -> None:
        """Keep a copy of the file at `path`, instead of what is there."""

    def get(self, key: str, path: Path) -> None:
        """Write a copy to `path`. Raises FileNotFoundError."""

    def blocks(self, key: str) -> Iterator[bytes]:
        """Yield the bytes, at most BLOCK at a time. Raises FileNotFoundError, before the first."""

    def remove(self, key: str) -> None:
        """Remove it, if it is there."""

    def keys(self, prefix: str, *, after: str = "") -> Iterator[str]:
        """Yield the keys that begin with `prefix`, which ends with a slash, and follow `after`, in their order."""


def checked(key: str) -> str:
    """Return a key of ours; raises ValueError for any other text: no path leads out of where files are kept."""
    if not all(name and name.strip(".") and "\\" not in name and "\0" not in name for name in key.split("/")):
        raise ValueError("no key of ours")
    return key
