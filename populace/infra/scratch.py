"""Folders for large files that are needed for a while, on the disk of VAR_DIR: /tmp may lie in memory, and be small."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings

UPLOAD_S = 86_400  # seconds without a further byte after which a form's file is a killed process's


def spool() -> Path:
    """Return the folder of all of them; files without a name lie there, too."""
    folder: Path = settings.VAR_DIR / "spool"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a new folder of the owner's alone, gone when the block ends.

    Who is killed leaves one, which the next who makes one removes: beside each lies a file that its owner has locked.
    """
    _sweep(spool())
    descriptor, lock = tempfile.mkstemp(suffix=".lock", dir=spool())
    folder = Path(lock).with_suffix("")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        Path(lock).unlink(missing_ok=True)
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Remove what those have left who are no more."""
    for upload in folder.glob("*.upload*"):  # Django's, which nobody locks (settings.FILE_UPLOAD_TEMP_DIR)
        with suppress(OSError):
            if upload.stat().st_mtime < time.time() - UPLOAD_S:
                upload.unlink()
    for lock in folder.glob("*.lock"):
        with suppress(OSError), lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock.with_suffix("").exists():  # one that is just being made has no folder yet
                shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                lock.unlink(missing_ok=True)
