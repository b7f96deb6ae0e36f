"""Which idempotency keys this machine is at work on, so that a second call waits instead of doing the work twice.

A courtesy: that a call takes effect once is decided by the receipt's primary key, also between machines. A key is held
by a lock on one byte of a file (fcntl record locks), which the kernel frees however its process dies.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from django.conf import settings

from populace.infra.db.pool import give_back

WAIT_S = 1.0
"""How long a second call waits for the first."""

_LOOK_S = 0.01  # between two looks: the lock has no time-out of its own
_here: set[int] = set()  # record locks are a process's; among its threads this decides
_guard = threading.Lock()


class InFlight(Exception):
    """The first call with this key is still at work."""


@contextmanager
def alone(place: int) -> Iterator[None]:
    """Hold `place`, a number below 2**62, on this machine; raises InFlight where it is held for longer than WAIT_S."""
    if not _take(place):
        _wait(place)
    try:
        yield
    finally:
        _give_back(place)


def _wait(place: int) -> None:
    give_back()  # whoever is at work may need the connection: after a password is hashed, for example
    deadline = time.monotonic() + WAIT_S
    while not _take(place):
        if time.monotonic() >= deadline:
            raise InFlight
        time.sleep(_LOOK_S)


def _take(place: int) -> bool:
    with _guard:
        if place in _here:
            return False
        try:
            fcntl.lockf(_file(os.getpid()), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES, by the system
            return False
        _here.add(place)
        return True


def _give_back(place: int) -> None:
    with _guard:
        _here.discard(place)
        fcntl.lockf(_file(os.getpid()), fcntl.LOCK_UN, 1, place)


@cache
def _file(pid: int) -> int:
    """Return the process's descriptor of the file; closing any other one of it would give back every lock."""
    path = settings.VAR_DIR / "run" / "keys"
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
