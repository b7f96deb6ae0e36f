"""FILES_URL names a folder or a bucket, or the start ends with one line."""

import subprocess
import sys

import pytest

from config import engines
from tests.support.processes import environment

URL = "s3://AKIA%2F1:s%2Fcr%40t@store.example:9000/people"


def test_a_bucket_becomes_settings():
    """Guard: config/engines.py:bucket (percent-decoded; a prefix ends with a slash)."""
    assert engines.files("FILES_URL", f"{URL}/one?tls=off&region=eu-1") == {
        "endpoint": "http://store.example:9000",
        "region": "eu-1",
        "bucket": "people",
        "prefix": "one/",
        "key": "AKIA/1",
        "secret": "s/cr@t",
    }


def test_a_bucket_is_asked_by_tls_unless_said():
    made = engines.files("FILES_URL", "s3://k:s@[::1]/people")
    assert (made["endpoint"], made["region"], made["prefix"]) == ("https://[::1]", "us-east-1", "")


@pytest.mark.parametrize(
    "url",
    [
        "http://k:s3cret@h/b",
        "s3://h/b",
        "s3://k@h/b",
        "s3://k:s3cret@/b",
        "s3://k:s3cret@h",
        "s3://k:s3cret@h/",
        "s3://k:s3cret@h:99999/b",
        "s3://k:s3cret@h/b?tls=maybe",
        "s3://k:s3cret@h/b?acl=public",
        "file://",
    ],
)
def test_anything_else_ends_the_start_without_the_secret(url):
    """Guard: config/engines.py:files, bucket"""
    with pytest.raises(SystemExit) as ended:
        engines.files("FILES_URL", url)
    assert "FILES_URL" in str(ended.value)
    assert "s3cret" not in str(ended.value)


def test_a_bucket_without_its_package_ends_the_start(monkeypatch):
    """Guard: config/engines.py:bucket (find_spec)"""
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="boto3"):
        engines.files("FILES_URL", URL)


def test_the_url_may_be_a_mounted_secret(tmp_path):
    """config/env.py:text"""
    secret = tmp_path / "files_url"
    secret.write_text(f"{URL}\n")
    secret.chmod(0o400)
    env = environment(POPULACE_MODE="local", POPULACE_VAR_DIR=str(tmp_path), FILES_URL_FILE=str(secret))
    code = "from config import settings; print(settings.FILES['secret'])"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout == "s/cr@t\n", done.stderr
