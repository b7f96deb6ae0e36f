"""A74: a production start refuses what is unsafe, a start of any mode what it cannot use; both name the variable."""

import json
import subprocess
import sys
from typing import NamedTuple

import pytest

from tests.support.processes import ROOT, environment

KEY = "0123456789abcdef" * 4
READ = """
import json
from config import settings as s
print(json.dumps([s.ALLOWED_HOSTS, s.TRUSTED_PROXY_COUNT]))
"""


class Ended(NamedTuple):
    code: int
    hosts: list[str]
    error: str


@pytest.fixture
def read(tmp_path):
    """Return `read(**variables) -> Ended`: the settings read by a process of their own, safe but for these."""

    def run(**variables):
        safe = {
            "POPULACE_SECRET_KEY": KEY,
            "POPULACE_PUBLIC_URL": "https://people.example.com",
            "POPULACE_TRUSTED_PROXIES": "1",
            "POPULACE_VAR_DIR": str(tmp_path),
            "DATABASE_URL": f"sqlite:///{tmp_path}/x.sqlite3",
        }
        env = environment(**{name: value for name, value in (safe | variables).items() if value is not None})
        done = subprocess.run([sys.executable, "-c", READ], cwd=ROOT, env=env, capture_output=True, text=True)
        hosts = json.loads(done.stdout)[0] if done.stdout else []
        return Ended(done.returncode, hosts, done.stderr)

    return run


def check_refused(ended, *names):
    assert ended.code == 1, ended.error
    assert ended.error.startswith("populace: ")
    assert ended.error.count("\n") == 1, ended.error
    for name in names:
        assert name in ended.error


def secret(tmp_path, content: bytes, mode: int) -> str:
    path = tmp_path / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def test_a74_everything_missing_is_named_at_once(read):
    """config/safety.py:stated"""
    ended = read(POPULACE_SECRET_KEY=None, POPULACE_PUBLIC_URL=None, POPULACE_TRUSTED_PROXIES=None)
    check_refused(ended, "POPULACE_SECRET_KEY", "POPULACE_PUBLIC_URL", "POPULACE_TRUSTED_PROXIES")


def test_a74_everything_unsafe_is_named_at_once_without_its_value(read):
    """config/env.py:finish"""
    ended = read(POPULACE_SECRET_KEY="s3cret", POPULACE_PUBLIC_URL="http://h", POPULACE_SECRET_KEYS="x")
    check_refused(ended, "POPULACE_SECRET_KEY:", "POPULACE_PUBLIC_URL:", "POPULACE_SECRET_KEYS:")
    assert "s3cret" not in ended.error


@pytest.mark.parametrize("key", ["short-but-distinct", "abcd" * 20, "django-insecure-" + KEY])
def test_a74_a_weak_key_is_refused(read, key):
    """config/safety.py:strong"""
    check_refused(read(POPULACE_SECRET_KEY=key), "POPULACE_SECRET_KEY:")
    check_refused(read(POPULACE_SECRET_KEY_FALLBACKS=f"{KEY} {key}"), "POPULACE_SECRET_KEY_FALLBACKS:")


@pytest.mark.parametrize(
    "url",
    [
        "http://people.example.com",
        "people.example.com",
        "https://",
        "https://*",
        "https://*.example.com",
        "https://.example.com",
        "https://a,b",
        "https://user@example.com",
        "https://example.com:99999",
        "https://[::1",
    ],
)
def test_a74_a_public_url_is_https_and_one_host(read, url):
    """config/safety.py:host"""
    check_refused(read(POPULACE_PUBLIC_URL=url), "POPULACE_PUBLIC_URL:")


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://People.example.com:8443/", "people.example.com"), ("https://[2001:DB8::1]:8443", "[2001:db8::1]")],
)
def test_a74_the_public_urls_host_is_the_one_answered_to(read, url, host):
    """config/safety.py:host"""
    assert read(POPULACE_PUBLIC_URL=url) == (0, [host], "")


@pytest.mark.parametrize("count", ["99999", "-1", "one", "٣"])
def test_a74_a_number_of_proxies_that_cannot_be_is_refused(read, count):
    """config/env.py:integer"""
    check_refused(read(POPULACE_TRUSTED_PROXIES=count), "POPULACE_TRUSTED_PROXIES:")


def test_a74_a_secret_that_everybody_on_the_machine_may_read_is_refused(read, tmp_path):
    """config/env.py:finish"""
    for mode in (0o604, 0o602):
        path = secret(tmp_path, KEY.encode(), mode)
        check_refused(read(POPULACE_SECRET_KEY=None, POPULACE_SECRET_KEY_FILE=path), "POPULACE_SECRET_KEY_FILE:")
    path = secret(tmp_path, KEY.encode(), 0o440)
    assert read(POPULACE_SECRET_KEY=None, POPULACE_SECRET_KEY_FILE=path).code == 0


def test_a74_local_mode_takes_http_any_key_and_any_file(read, tmp_path):
    """config/settings.py: it listens on loopback only"""
    path = secret(tmp_path, b"short", 0o644)
    ended = read(
        POPULACE_MODE="local",
        POPULACE_SECRET_KEY=None,
        POPULACE_SECRET_KEY_FILE=path,
        POPULACE_PUBLIC_URL=None,
        POPULACE_TRUSTED_PROXIES=None,
    )
    assert ended == (0, ["127.0.0.1", "localhost"], "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgres://h:99999/x"),
        ("DATABASE_URL", "postgres://h:abc/x"),
        ("DATABASE_URL", "postgres://[::1/x"),
        ("DATABASE_URL", "postgres://h"),
        ("DATABASE_URL", "sqlite:////proc/x/y"),
        ("DATABASE_URL", "sqlite:///%00/y"),
        ("EMAIL_URL", "smtp://h:abc"),
        ("POPULACE_VAR_DIR", "/proc/nope"),
        ("POPULACE_VAR_DIR", "/etc/passwd"),
        ("POPULACE_TEMPLATES", "/dev/null/templates"),
        ("POPULACE_MAIL_FROM", "\udcff@example.com"),
        ("PORT", "٣"),
        ("PORT", "9" * 5000),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_in_one_line(read, name, value):
    """config/env.py:fail"""
    check_refused(read(**{name: value}), f"{name}:")


def test_a_file_that_is_not_text_is_named(read, tmp_path):
    """config/env.py:text"""
    path = secret(tmp_path, b"\xff" * 60, 0o400)
    check_refused(read(POPULACE_SECRET_KEY_FILE=path), "POPULACE_SECRET_KEY_FILE:")


def test_only_what_kubernetes_gives_for_a_service_is_excused(read):
    """config/env.py:finish"""
    given = {
        "POPULACE_FOO_SERVICE_HOST": "10.0.0.1",
        "POPULACE_FOO_SERVICE_PORT_HTTP": "1",
        "POPULACE_FOO_PORT": "tcp://10.0.0.1:1",
        "POPULACE_FOO_PORT_1_TCP_ADDR": "10.0.0.1",
    }
    assert read(**given).code == 0
    check_refused(read(**given, POPULACE_BAR_PORT="1"), "POPULACE_BAR_PORT:")


@pytest.mark.parametrize("folder", ["/proc/nope", "/etc/passwd"])
def test_up_names_a_folder_that_cannot_be(folder):
    """config/env.py:begin_local"""
    begin = "from config.env import begin_local; begin_local()"
    env = environment(POPULACE_VAR_DIR=folder)
    done = subprocess.run([sys.executable, "-c", begin], cwd=ROOT, env=env, capture_output=True, text=True)
    check_refused(Ended(done.returncode, [], done.stderr), "POPULACE_VAR_DIR:")


@pytest.mark.parametrize(
    "query",
    [
        "pool_max=0",
        "pool_max=many",
        "pool_max=",
        "pool_min=-1",
        "pool_min=3&pool_max=2",
        "pool_wait=0.5",
        "pgbouncer=session",
        "prepared=on",
        "pgbouncer=transaction&prepared=off",
    ],
)
def test_a74_a_bound_of_the_pool_that_is_none_is_refused(read, query):
    """config/engines.py:pool, config/engines.py:session"""
    ended = read(DATABASE_URL=f"postgres://u:s3cret@127.0.0.1/x?{query}")
    check_refused(ended, "DATABASE_URL:", query.partition("=")[0])
    assert "s3cret" not in ended.error
