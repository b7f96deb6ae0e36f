"""Files in a bucket that is asked by the S3 API: Amazon's, or MinIO, Ceph, Garage and others that speak it.

An object is there when its upload has ended, so nobody sees half of one. What a killed process had begun to upload in
several parts stays with the bucket until its own rule removes it (docs/howto/files-in-a-bucket.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from populace.infra.storage.base import BLOCK, Unavailable, checked

# A call takes at most 3 x (3 + 10) s and two short pauses.
WAITS = {"connect_timeout": 3, "read_timeout": 10, "retries": {"total_max_attempts": 3, "mode": "standard"}}

PART = 16 << 20
"""Bytes of a part of a large file; 10,000 of them are more than any file has."""

KEYS = 1_000
"""Keys of one answer: as many as there may be."""

MISSING = {"404", "NoSuchKey", "NotFound"}


class Bucket:
    """A bucket, or what lies in it below `prefix`."""

    def __init__(self, *, endpoint: str, region: str, bucket: str, prefix: str, key: str, secret: str) -> None:
        self.bucket, self.prefix = bucket, prefix
        self._client: Any = boto3.session.Session(aws_access_key_id=key, aws_secret_access_key=secret).client(
            "s3",
            endpoint_url=endpoint,
            region_name=region,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},  # a bucket's own host name is Amazon's alone
                # Checksums behind the body, which boto3 adds unasked, are news to many servers.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                **WAITS,
            ),
        )
        # In one thread: memory stays at one part.
        self._transfer = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, use_threads=False)

    def put(self, key: str, path: Path) -> None:
        """Keep a copy of the file at `path`, instead of what is there; in parts where it is large."""
        with _told():
            self._client.upload_file(str(path), self.bucket, self._name(key), Config=self._transfer)

    def get(self, key: str, path: Path) -> None:
        """Write a copy to `path`. Raises FileNotFoundError."""
        blocks = self.blocks(key)
        with path.open("wb") as file:
            file.writelines(blocks)

    def blocks(self, key: str) -> Iterator[bytes]:
        """Yield the bytes, at most BLOCK at a time. Raises FileNotFoundError, before the first."""
        with _told():
            body = self._client.get_object(Bucket=self.bucket, Key=self._name(key))["Body"]

        def read() -> Iterator[bytes]:
            with body, _told():
                while block := body.read(BLOCK):
                    yield block

        return read()

    def remove(self, key: str) -> None:
        """Remove it, if it is there."""
        with _told():
            self._client.delete_object(Bucket=self.bucket, Key=self._name(key))

    def keys(self, prefix: str, *, after: str = "") -> Iterator[str]:
        """Yield the keys that begin with `prefix`, which ends with a slash, and follow `after`, in their order."""
        begin = {"StartAfter": self.prefix + after} if after else {}
        with _told():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix, PaginationConfig={"PageSize": KEYS}, **begin
            )
            for page in pages:
                for found in page.get("Contents", ()):
                    yield found["Key"].removeprefix(self.prefix)

    def _name(self, key: str) -> str:
        return self.prefix + checked(key)


@contextmanager
def _told() -> Iterator[None]:
    """Tell what went wrong as the storage's, by name: messages quote the address, some a key's id."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in MISSING:
            raise FileNotFoundError("no such object") from None
        raise Unavailable(f"the bucket: {code}") from None
    except (BotoCoreError, Boto3Error, HTTPClientError) as error:
        raise Unavailable(f"the bucket: {type(error).__name__}") from None
