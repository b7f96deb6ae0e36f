"""Password hashing in slots, so that a storm of sign-ins cannot take the machine from everything else.

A slot is a lock file under VAR_DIR/run/hash, one less than the machine has cores (at least one); the kernel frees it
when its holder dies, however it dies. Hashing runs in one thread of its own per process, at nice 19: Argon2 releases
the GIL, so requests go on beside it. Whoever waits for a hash holds no connection to the database; inside a
transaction they would, so never call this there: it takes tens of milliseconds.
"""

import fcntl
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import IO

from django.conf import settings
from django.contrib.auth.hashers import check_password, identify_hasher, make_password

from populace.credentials.errors import HashTooCostly, HashUnknown
from populace.credentials.fast_hashers import is_bare, wrapped
from populace.credentials.hashers import Checked
from populace.infra.db.pool import give_back
from populace.infra.telemetry.metrics import HASHING_BUSY

SLOTS = max(1, (os.cpu_count() or 1) - 1)
WAIT_S = 1.0
"""How long a request may wait for its turn; the hash itself then takes about 30 ms."""

LONGEST_CHARACTERS, LONGEST_BYTES = 256, 1024
LONGEST_HASH = 512  # characters: the column's length
SHORTEST_CHARACTERS = 15  # NIST SP 800-63B-4 section 3.1.1.2: where a password is the only factor

_LOOK_S = 0.005  # between two looks at the slots: flock has no time-out of its own


class HashingBusy(Exception):
    """No slot came free in time: try again after `retry_after_s` seconds."""

    retry_after_s = 2


class PasswordRefused(ValueError):
    """The password breaks the policy; `code` says how, `detail` in words, neither repeats it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


def check_policy(raw: str, *, username: str = "") -> None:
    """Raise PasswordRefused unless `raw` may become somebody's password. Cheap: asked before any hashing."""
    check_checkable(raw)
    if len(raw) < SHORTEST_CHARACTERS:
        raise PasswordRefused("password_too_short", f"At least {SHORTEST_CHARACTERS} characters.")
    if username and username.casefold() in raw.casefold():
        raise PasswordRefused("password_contains_username", "Must not contain the user name.")


def check_checkable(raw: str) -> None:
    """Raise PasswordRefused unless a sign-in could give `raw`, whatever the policy says of it. Cheap."""
    try:
        size = len(raw.encode())
    except UnicodeEncodeError:  # a lone surrogate
        raise PasswordRefused("invalid", "Must be text.") from None
    if len(raw) > LONGEST_CHARACTERS or size > LONGEST_BYTES:
        raise PasswordRefused(
            "password_too_long", f"At most {LONGEST_CHARACTERS} characters and {LONGEST_BYTES} bytes."
        )


def hash_password(raw: str) -> str:
    """Return the encoded hash of `raw`, made in a slot. Raises HashingBusy."""
    return _in_slot(lambda: make_password(raw))


def verify_password(raw: str, encoded: str) -> bool:
    """Tell whether `raw` is the password of `encoded`; False for "!" and what no hasher knows. Raises HashingBusy."""
    try:
        check_checkable(raw)
        check_hash(encoded)
    except (PasswordRefused, HashUnknown, HashTooCostly):
        return False
    return _in_slot(lambda: check_password(raw, encoded))


def sealed(stored: str) -> str:
    """Return a finished hash as it may stay: a bare digest is wrapped in Argon2id, in a slot. Raises HashingBusy."""
    return _in_slot(lambda: wrapped(stored)) if is_bare(stored) else stored


def is_known_hash(encoded: str) -> bool:
    """Tell whether `encoded` is whole, made by one of PASSWORD_HASHERS and affordable to check."""
    try:
        check_hash(encoded)
    except (HashUnknown, HashTooCostly):
        return False
    return True


def check_hash(encoded: str) -> None:
    """Raise HashUnknown unless `encoded` may be stored and checked, HashTooCostly where only its cost forbids it."""
    if len(encoded) > LONGEST_HASH:
        raise HashUnknown
    try:
        hasher = identify_hasher(encoded)
    except ValueError:
        raise HashUnknown from None
    if not isinstance(hasher, Checked):
        raise HashUnknown
    hasher.check(encoded)


def _in_slot[T](work: Callable[[], T]) -> T:
    """Run `work` in the hashing thread and a slot; at most settings.HASH_WAITING others wait in this process."""
    deadline = time.monotonic() + WAIT_S
    place, thread = _of_process(os.getpid())
    if not place.acquire(blocking=False):
        HASHING_BUSY.inc()
        raise HashingBusy
    try:
        give_back()  # the connection serves others meanwhile
        return thread.submit(_hold_and_run, work, deadline).result()
    finally:
        place.release()


def _hold_and_run[T](work: Callable[[], T], deadline: float) -> T:
    with _slot(deadline):
        return work()


@contextmanager
def _slot(deadline: float) -> Iterator[None]:
    """Hold one of the machine's slots; raises HashingBusy when none is free until `deadline`."""
    files = _slot_files(os.getpid())
    while time.monotonic() < deadline:
        for file in files:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            try:
                yield
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)
            return
        time.sleep(_LOOK_S)
    HASHING_BUSY.inc()
    raise HashingBusy


@cache
def _slot_files(pid: int) -> list[IO[str]]:
    """Open the lock files, once per process: a descriptor inherited by fork would share its parent's lock."""
    folder = settings.VAR_DIR / "run" / "hash"
    folder.mkdir(parents=True, exist_ok=True)
    return [(folder / str(number)).open("w") for number in range(SLOTS)]


@cache
def _of_process(pid: int) -> tuple[threading.BoundedSemaphore, ThreadPoolExecutor]:
    """Return this process's places (one hashes, the others wait) and its thread; a forked child gets its own."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="hashing", initializer=_step_back)
    return threading.BoundedSemaphore(1 + settings.HASH_WAITING), thread


def _step_back() -> None:
    if sys.platform == "linux":  # elsewhere niceness is the whole process's
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
