"""Files of jobs: what was sent in and what came out, in a folder or a bucket that all processes share (FILES_URL)."""

from collections.abc import Collection
from functools import cache
from pathlib import Path

from django.conf import settings

from populace.infra.storage.base import BLOCK, Storage, Unavailable
from populace.infra.storage.local import Folder

__all__ = ["BLOCK", "Storage", "Unavailable", "remove_all", "storage"]


@cache
def storage() -> Storage:
    """Return the storage of FILES_URL."""
    if "bucket" in settings.FILES:
        from populace.infra.storage.s3 import Bucket  # boto3: a fifth of a second, for whoever uses it

        return Bucket(**settings.FILES)
    return Folder(Path(settings.FILES["folder"]))


def remove_all(prefix: str, *, but: Collection[str] = ()) -> None:
    """Remove what lies under a prefix, `jobs/<id>/`, except these keys. Raises Unavailable."""
    for key in list(storage().keys(prefix)):
        if key not in but:
            storage().remove(key)
