"""An S3 server (moto's, in a process of its own), buckets of it, and the settings that lead to one."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen
from uuid import uuid4

import boto3

from tests.support.ports import free_port
from tests.support.processes import environment, start, stop, wait_until

KEY, SECRET = "AKIATEST", "se/cr+et @:?#"


@contextmanager
def s3_server() -> Iterator[str]:
    """Run one for the block; yields host and port."""
    port = free_port()
    process = start([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], environment())
    try:
        wait_until(lambda: _answers(port), "moto answers", 30)
        yield f"127.0.0.1:{port}"
    finally:
        stop(process)


def _answers(port: int) -> bool:
    try:
        return urlopen(f"http://127.0.0.1:{port}/", timeout=1).status == 200
    except OSError:
        return False


def new_bucket(address: str) -> str:
    """Make a bucket; returns its name."""
    name = f"populace-{uuid4().hex[:8]}"
    client(address).create_bucket(Bucket=name)
    return name


def client(address: str) -> Any:
    """Return boto3's own client of that server."""
    return boto3.client(
        "s3",
        endpoint_url=f"http://{address}",
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )


def url_of(address: str, bucket: str, prefix: str = "") -> str:
    """Return the FILES_URL of a bucket."""
    return f"s3://{KEY}:{quote(SECRET, safe='')}@{address}/{bucket}{prefix}?tls=off"
