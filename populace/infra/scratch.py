"""Folders for large files that are needed for a while, on the disk of VAR_DIR: /tmp may lie in memory, and be small."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a new folder of the owner's alone, gone when the block ends.

    Who is killed leaves one, which the next who makes one removes: beside each lies a file that its owner has locked.
    """
    spool = settings.VAR_DIR / "spool"
    spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sweep(spool)
    descriptor, lock = tempfile.mkstemp(suffix=".lock", dir=spool)
    folder = Path(lock).with_suffix("")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        Path(lock).unlink(missing_ok=True)
        os.close(descriptor)


def _sweep(spool: Path) -> None:
    """Remove what those have left who are no more."""
    for lock in spool.glob("*.lock"):
        with suppress(OSError), lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock.with_suffix("").exists():  # one that is just being made has no folder yet
                shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                lock.unlink(missing_ok=True)
