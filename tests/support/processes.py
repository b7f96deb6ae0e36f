"""Real processes for tests: started with a scrubbed environment, ended by their own pid."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent

# What a program needs from the outside; everything else of the tester's shell could change a result.
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")

PR_SET_PDEATHSIG = 1  # prctl(2)


def environment(**values: str) -> dict[str, str]:
    """Return a child's whole environment: `values` and the few names of KEPT."""
    return {name: os.environ[name] for name in KEPT if name in os.environ} | values


def dies_with_parent(number: int) -> Callable[[], None] | None:
    """Return a preexec_fn that has Linux send signal `number` to the child when the tests are killed."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)  # before the fork: loading in the child could deadlock
    return lambda: libc.prctl(PR_SET_PDEATHSIG, number) and None


def start(arguments: list[str], env: Mapping[str, str], **options: Any) -> subprocess.Popen[bytes]:
    """Start `arguments` in the project's folder; nothing of the tester's environment but `env` reaches it."""
    options = {"cwd": ROOT, "stdin": subprocess.DEVNULL, "preexec_fn": dies_with_parent(signal.SIGTERM)} | options
    return subprocess.Popen(arguments, env=dict(env), **options)


def stop(process: subprocess.Popen[bytes], number: int = signal.SIGTERM, timeout_s: float = 10) -> int:
    """Send signal `number`, wait and return the exit code; kill what has not ended after `timeout_s`."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float = 20) -> Any:
    """Return the first true value of `condition`, asked every 20 ms; raise TimeoutError naming `what`."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise TimeoutError(f"{what}: not within {timeout_s} s")


def connected_from(pids: list[int], port: int) -> int:
    """Return which of these processes has a TCP connection that comes from this port of loopback (Linux only)."""
    for pid in pids:
        lines = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
        sockets = {f"socket:[{line[9]}]" for line in lines if line[1].endswith(f":{port:04X}")}
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            if entry.is_symlink() and str(entry.readlink()) in sockets:
                return pid
    raise LookupError(f"no process is connected from port {port}")


def children(pid: int) -> list[int]:
    """Return the ids of a process's children (Linux only): granian's web processes, given that of `serve`."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
