"""Password hashing: in slots, bounded in waiting, polite to everything else."""

import fcntl
import os
import subprocess
import sys
import threading
import time

import pytest

from populace.credentials import hashing
from populace.credentials.hashing import (
    HashingBusy,
    PasswordRefused,
    check_policy,
    hash_password,
    is_known_hash,
    verify_password,
)
from tests.support.processes import stop, wait_until

PASSWORD = "correct horse battery"


@pytest.fixture
def slots(settings, monkeypatch, tmp_path):
    """One slot in a folder of its own; the folder of the lock files."""
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(hashing, "SLOTS", 1)
    hashing._slot_files.cache_clear()
    yield tmp_path / "run" / "hash"
    hashing._slot_files.cache_clear()


def hold(folder):
    """Start a process that takes the slot and keeps it."""
    folder.mkdir(parents=True, exist_ok=True)
    code = "import fcntl,sys,time; f=open(sys.argv[1],'w'); fcntl.flock(f,fcntl.LOCK_EX); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code, str(folder / "0")])

    def held():
        with (folder / "0").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    wait_until(held, "the slot is taken")
    return process


def test_a_password_is_known_by_its_hash_alone():
    encoded = hash_password(PASSWORD)
    assert encoded != hash_password(PASSWORD)
    assert verify_password(PASSWORD, encoded)
    assert not verify_password(PASSWORD + "x", encoded)
    assert not verify_password("x" * 257, encoded)
    for unusable in ("!", "", "x", encoded[:-30], "pbkdf2_sha256$1$a$b"):
        assert not verify_password(PASSWORD, unusable)


def test_a_slot_held_elsewhere_is_waited_for_a_second_at_most(slots):
    holder = hold(slots)
    started = time.monotonic()
    with pytest.raises(HashingBusy) as busy:
        hash_password(PASSWORD)
    assert 0.9 < time.monotonic() - started < 2
    assert busy.value.retry_after_s > 0
    stop(holder)


def test_the_kernel_frees_the_slot_of_a_killed_holder(slots):
    holder = hold(slots)
    threading.Timer(0.2, holder.kill).start()
    assert hash_password(PASSWORD)
    holder.wait()


def test_beyond_the_bound_nobody_waits(slots, settings):
    holder = hold(slots)
    outcomes = []

    def attempt():
        started = time.monotonic()
        with pytest.raises(HashingBusy):
            hash_password(PASSWORD)
        outcomes.append(time.monotonic() - started)

    threads = [threading.Thread(target=attempt) for _ in range(settings.HASH_WAITING + 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(waited < 0.3 for waited in outcomes) == 4  # one in the hashing thread, HASH_WAITING behind it
    stop(holder)


@pytest.mark.django_db
def test_a_busy_machine_is_told_as_503_with_retry_after(client, slots):
    holder = hold(slots)
    response = client.post("/api/v1/users", {"email": "busy@example.com", "password": PASSWORD})
    assert (response.status_code, response.json()["code"], response["Retry-After"]) == (503, "overloaded", "2")
    stop(holder)


def test_hashing_steps_back_behind_everything_else():
    if sys.platform != "linux":
        pytest.skip("niceness is the whole process's here")
    niceness = hashing._in_slot(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    assert niceness == 19
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < 19


@pytest.mark.parametrize(
    "encoded",
    [
        "argon2$argon2id$v=19$m=19456,t=2,p=1$$",
        "argon2$argon2id$v=19$m=19456,t=-2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
        "argon2$argon2id$v=19$m=-5,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
        "argon2$argon2id$v=19$m=7,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
        "argon2$argon2d$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
        "argon2$argon2id$v=99$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
        "argon2$argon2id$v=19$m=19456,t=2,p=1$" + "c" * 800 + "$aGFzaGhhc2hoYXNoaGFzaA",
    ],
)
def test_a_hash_nobody_could_sign_in_with_is_unknown(encoded):
    """populace/credentials/hashers.py:Argon2Hasher.check"""
    assert not is_known_hash(encoded)


def test_a_password_that_is_no_text_is_refused():
    """populace/credentials/hashing.py:check_policy"""
    with pytest.raises(PasswordRefused):
        check_policy("\ud800" + "a" * 20)


def test_an_overlong_password_is_wrong_without_hashing(monkeypatch):
    """populace/credentials/hashing.py:verify_password"""
    encoded = hash_password("a" * 300)
    assert not verify_password("a" * 300, encoded)


@pytest.mark.django_db
def test_a_hash_too_long_for_its_column_is_refused(client):
    """populace/credentials/hashing.py:check_hash"""
    encoded = "argon2$argon2id$v=19$m=19456,t=2,p=1$" + "c" * 800 + "$aGFzaGhhc2hoYXNoaGFzaA"
    response = client.post("/api/v1/users", {"email": "long@example.com", "password_hash": encoded})
    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == "hash_unknown"
