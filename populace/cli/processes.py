"""What the processes of one installation owe each other: one supervisor a folder, no orphan, no stolen port."""

import ctypes
import fcntl
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from populace.cli.output import CANNOT_RUN, Failure

PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def stopped_by(*numbers: signal.Signals) -> threading.Event:
    """Return an event that these signals set; the interrupted statement goes on.

    Better than KeyboardInterrupt, which is lost where it strikes a destructor. A thread sets it, because Event.set()
    in the handler itself would wait for ever for the lock that an interrupted Event.wait() may hold.
    """
    stop = threading.Event()
    for number in numbers:
        signal.signal(number, lambda *_: threading.Thread(target=stop.set).start())
    return stop


def die_with_parent(parent: int) -> None:
    """Have Linux kill this process as soon as `parent`, its parent's id, has ended in whatever way.

    Without it a kill -9 of the parent would leave a child that still answers on the port: every process of the web
    server listens with SO_REUSEPORT, so old and new would share the requests. Other systems have no such call.
    """
    if _libc is None:
        return
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the call
        os._exit(1)


@contextmanager
def sole_supervisor(var: Path) -> Iterator[None]:
    """Hold the var folder for this process; raises Failure where another one has it.

    The kernel frees the lock however its holder dies; children do not inherit it.
    """
    path = var / "run" / "up.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Failure(CANNOT_RUN, f"POPULACE_VAR_DIR: {error.strerror}") from None
    with open(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(CANNOT_RUN, f"already running in {var} (process {file.read().strip()})") from None
        file.truncate()
        print(os.getpid(), file=file, flush=True)
        yield


def refuse_taken_port(host: str, port: int) -> None:
    """Raise Failure unless one can listen on host and port.

    granian would not: with SO_REUSEPORT it joins a stranger of the same user in silence.
    """
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(address[0], socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection just closed is no hindrance
            probe.bind(address[4])
    except OSError as error:
        reason = (error.strerror or "cannot be listened on").lower()
        raise Failure(CANNOT_RUN, f"PORT: {host}:{port}: {reason}") from None
