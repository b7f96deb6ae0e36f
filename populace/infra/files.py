"""Files that hold secrets: for the owner alone, and there only when they are whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def new_private(path: Path, *, replaces: bool = False) -> Iterator[Path]:
    """Give the block another name to write to, in the same folder; `path` is there (0600) once the block has ended.

    What is written is on the disk before it gets its name. A block that raises leaves nothing. `replaces`: what is
    there already stays until then. Raises FileExistsError where it is there otherwise, or somebody else is writing it;
    OSError where the folder cannot be written to.
    """
    new = path.with_name(f".{path.name}.new")
    if path.exists() and not replaces:
        raise FileExistsError(f"{path} exists already")
    try:
        os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise FileExistsError(f"{new} exists already: another process writes it, or one that was killed") from None
    try:
        yield new
        _flush(new)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    _flush(path.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
