"""Files in a folder: of this machine, or one that several have mounted."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from populace.infra.files import new_private
from populace.infra.storage.base import BLOCK, Unavailable, checked


class Folder:
    """A folder that its owner alone can read."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, path: Path) -> None:
        """Keep a copy of the file at `path`, instead of what is there."""
        with _told():
            place = self._place(key)
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            place.with_name(f".{place.name}.new").unlink(missing_ok=True)  # of a process that was killed
            with new_private(place, replaces=True) as new:
                shutil.copyfile(path, new)

    def get(self, key: str, path: Path) -> None:
        """Write a copy to `path`. Raises FileNotFoundError."""
        with _told():
            shutil.copyfile(self._place(key), path)

    def blocks(self, key: str) -> Iterator[bytes]:
        """Yield the bytes, at most BLOCK at a time. Raises FileNotFoundError, before the first."""
        with _told():
            file = self._place(key).open("rb")

        def read() -> Iterator[bytes]:
            with file, _told():
                while block := file.read(BLOCK):
                    yield block

        return read()

    def remove(self, key: str) -> None:
        """Remove it, if it is there, and its folder with the last one."""
        with _told():
            place = self._place(key)
            place.unlink(missing_ok=True)
            with suppress(OSError):
                place.parent.rmdir()

    def keys(self, prefix: str, *, after: str = "") -> Iterator[str]:
        """Yield the keys that begin with `prefix`, which ends with a slash, and follow `after`, in their order."""
        with _told(), suppress(FileNotFoundError, NotADirectoryError):
            with os.scandir(self._place(prefix.rstrip("/"))) as found:
                names = sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in found)
            for key in (f"{prefix}{name}" for name in names if not name.startswith(".")):  # .x.new is being written
                if not key.endswith("/"):
                    yield from [key] if key > after else []
                elif f"{key[:-1]}0" > after:  # 0 comes next after the slash: else all in there stands before it
                    yield from self.keys(key, after=after)

    def _place(self, key: str) -> Path:
        return self.root.joinpath(*checked(key).split("/"))


@contextmanager
def _told() -> Iterator[None]:
    """Tell what the disk refuses as the storage's; that a file is missing, as it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unavailable(f"the folder: {(error.strerror or type(error).__name__).lower()}") from error
