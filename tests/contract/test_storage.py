"""One suite for every engine that keeps files of jobs: what base.py promises."""

import socket
from pathlib import Path

import pytest

from config.engines import files as settings_of
from populace.infra.storage import BLOCK, Unavailable, remove_all, s3
from populace.infra.storage.local import Folder
from populace.infra.storage.s3 import Bucket
from tests.support.buckets import SECRET, client, new_bucket, url_of


@pytest.fixture
def made(tmp_path):
    """Return `made(bytes) -> path` of a file."""

    def make(content: bytes) -> Path:
        path = tmp_path / "made"
        path.write_bytes(content)
        return path

    return make


def content(files, key):
    return b"".join(files.blocks(key))


def test_what_is_put_is_there_whole(files, made, tmp_path):
    path = made(bytes(range(256)) * 1024)
    files.put("jobs/1/result", path)
    path.unlink()
    files.get("jobs/1/result", tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == content(files, "jobs/1/result") == bytes(range(256)) * 1024
    assert max(map(len, files.blocks("jobs/1/result"))) <= BLOCK


def test_a_large_file_goes_in_parts(files, made):
    """Guard: populace/infra/storage/s3.py:Bucket.put (parts: a bucket takes no more than 5 GB at once)."""
    large = b"0123456789abcdef" * ((s3.PART >> 4) + 1)
    files.put("jobs/1/result", made(large))
    assert content(files, "jobs/1/result") == large
    if isinstance(files, Bucket):  # the tag of what was put together names the number of parts
        head = files._client.head_object(Bucket=files.bucket, Key="jobs/1/result")
        assert head["ETag"].strip('"').endswith("-2")


def test_what_is_put_again_is_what_is_there(files, made):
    for text in (b"first, and longer", b"second"):
        files.put("jobs/1/result", made(text))
    assert content(files, "jobs/1/result") == b"second"


def test_what_is_there_stays_until_the_new_one_is_whole(files, made, tmp_path):
    """Guard: populace/infra/storage/local.py:Folder.put (replaces: nothing is removed first)"""
    files.put("jobs/1/result", made(b"first"))
    with pytest.raises(OSError, match="No such file"):
        files.put("jobs/1/result", tmp_path / "nothing")
    assert content(files, "jobs/1/result") == b"first"
    assert list(files.keys("jobs/")) == ["jobs/1/result"]


def test_an_empty_file_is_a_file(files, made):
    files.put("jobs/1/result", made(b""))
    assert list(files.blocks("jobs/1/result")) == []
    assert list(files.keys("jobs/")) == ["jobs/1/result"]


def test_what_is_not_there_is_told_before_the_first_byte(files, tmp_path):
    with pytest.raises(FileNotFoundError):
        files.blocks("jobs/1/result")
    with pytest.raises(FileNotFoundError):
        files.get("jobs/1/result", tmp_path / "got")
    assert not (tmp_path / "got").exists()
    files.remove("jobs/1/result")


def test_keys_come_in_their_order_from_anywhere(files, made):
    keys = ["jobs/1/a", "jobs/1/b", "jobs/10/a", "jobs/2/a", "jobs/2/a-b", "jobs/2/b"]
    for key in reversed(keys):
        files.put(key, made(b"x"))
    files.put("other/1", made(b"x"))
    assert list(files.keys("jobs/")) == keys
    assert list(files.keys("jobs/2/")) == keys[3:]
    assert [list(files.keys("jobs/", after=key)) for key in keys] == [keys[at:] for at in range(1, 7)]
    assert list(files.keys("jobs/3/")) == list(files.keys("nothing/")) == []


def test_what_lies_under_a_prefix_is_removed_but_for_what_is_kept(files, made):
    for key in ("jobs/1/a", "jobs/1/b", "jobs/10/a"):
        files.put(key, made(b"x"))
    remove_all("jobs/1/", but=["jobs/1/b"])
    assert list(files.keys("jobs/")) == ["jobs/1/b", "jobs/10/a"]
    remove_all("jobs/1/")
    assert list(files.keys("jobs/")) == ["jobs/10/a"]


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "jobs/../../x", "jobs/./x", "jobs//x", "jobs/a\\b", "jobs/a\0", "jobs/"]
)
def test_no_key_leads_out_of_where_files_are_kept(files, made, key):
    """Guard: populace/infra/storage/base.py:checked"""
    for act in (lambda: files.put(key, made(b"x")), lambda: files.blocks(key), lambda: files.remove(key)):
        with pytest.raises(ValueError, match="no key of ours"):
            act()


def test_a_bucket_tells_more_keys_than_fit_into_one_answer(s3_address, monkeypatch):
    """Guard: populace/infra/storage/s3.py:Bucket.keys (answer by answer)"""
    monkeypatch.setattr(s3, "KEYS", 2)
    bucket = new_bucket(s3_address)
    for number in range(5):
        client_of(s3_address).put_object(Bucket=bucket, Key=f"jobs/{number}/a")
    files = Bucket(**settings_of("FILES_URL", url_of(s3_address, bucket)))
    assert [key[5] for key in files.keys("jobs/", after="jobs/0/a")] == ["1", "2", "3", "4"]


_clients = {}


def client_of(address):
    return _clients.setdefault(address, client(address))


def test_installations_share_a_bucket_under_prefixes_of_their_own(s3_address, made):
    """Guard: populace/infra/storage/s3.py:Bucket._name"""
    bucket = new_bucket(s3_address)
    one, other = (
        Bucket(**settings_of("FILES_URL", url_of(s3_address, bucket, f"/{name}"))) for name in ("one", "other")
    )
    one.put("jobs/1/a", made(b"one"))
    assert list(one.keys("jobs/", after="jobs/1/a")) == []
    assert (list(one.keys("jobs/")), list(other.keys("jobs/"))) == (["jobs/1/a"], [])
    assert client_of(s3_address).list_objects_v2(Bucket=bucket)["Contents"][0]["Key"] == "one/jobs/1/a"


def acts(files, path):
    """Yield every call that may fail."""
    yield lambda: files.put("jobs/1/a", path)
    yield lambda: files.get("jobs/1/a", path.with_name("got"))
    yield lambda: files.blocks("jobs/1/a")
    yield lambda: files.remove("jobs/1/a")
    yield lambda: list(files.keys("jobs/"))


def test_a_folder_that_refuses_is_told_as_unavailable(made, tmp_path):
    """Guard: populace/infra/storage/local.py:_told"""
    tmp_path.joinpath("file").write_bytes(b"no folder")
    folder = Folder(tmp_path / "file")
    for act in (lambda: folder.put("jobs/1/a", made(b"x")), lambda: folder.blocks("jobs/1/a")):
        with pytest.raises(Unavailable):
            act()


def test_a_bucket_that_is_not_there_is_no_missing_file(s3_address, made):
    """Guard: populace/infra/storage/s3.py:MISSING (NoSuchBucket is not among them)"""
    gone = Bucket(**settings_of("FILES_URL", url_of(s3_address, "nowhere")))
    for act in acts(gone, made(b"x")):
        with pytest.raises(Unavailable) as told:
            act()
        assert SECRET not in f"{told.value!r} {told.value.__cause__!r}"


@pytest.mark.parametrize("listens", [True, False], ids=["says nothing", "is not there"])
def test_a_server_out_of_reach_is_told_within_bounds(listens, made, monkeypatch):
    """Guards: populace/infra/storage/s3.py:WAITS (all of it goes to the client), _told"""
    monkeypatch.setattr(
        s3, "WAITS", s3.WAITS | {"connect_timeout": 0.2, "read_timeout": 0.2, "retries": {"total_max_attempts": 1}}
    )
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        if not listens:
            silent.close()
        bucket = Bucket(**settings_of("FILES_URL", url_of(address, "b")))
        for act in acts(bucket, made(b"x")):
            with pytest.raises(Unavailable) as told:
                act()
            assert SECRET not in str(told.value)


def test_a_call_has_a_last_try_and_each_a_last_moment():
    """What the bound of a minute in docs/howto/files-in-a-bucket.md is made of."""
    config = Bucket(**settings_of("FILES_URL", url_of("127.0.0.1:1", "b")))._client.meta.config
    assert (config.connect_timeout, config.read_timeout, config.retries["total_max_attempts"]) == (3, 10, 3)
