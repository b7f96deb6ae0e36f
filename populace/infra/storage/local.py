"""Files in a folder: of this machine, or one that several have mounted."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from populace.infra.files import new_private

BLOCK = 1 << 16  # bytes read at a time


class Folder:
    """A folder that its owner alone can read."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, path: Path) -> None:
        """Keep a copy of the file at `path`, instead of what is there."""
        place = self._place(key)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.with_name(f".{place.name}.new").unlink(missing_ok=True)  # of a process that was killed
        with new_private(place) as new:
            shutil.copyfile(path, new)

    def get(self, key: str, path: Path) -> None:
        """Write a copy to `path`. Raises FileNotFoundError."""
        shutil.copyfile(self._place(key), path)

    def blocks(self, key: str) -> Iterator[bytes]:
        """Yield the bytes, at most BLOCK at a time. Raises FileNotFoundError, before the first."""
        file = self._place(key).open("rb")

        def read() -> Iterator[bytes]:
            with file:
                while block := file.read(BLOCK):
                    yield block

        return read()

    def remove(self, key: str) -> None:
        """Remove it, if it is there, and its folder with the last one."""
        place = self._place(key)
        place.unlink(missing_ok=True)
        with suppress(OSError):
            place.parent.rmdir()

    def _place(self, key: str) -> Path:
        names = key.split("/")
        if not all(name and name.strip(".") and "\\" not in name for name in names):
            raise ValueError("no key of ours")
        return self.root.joinpath(*names)
