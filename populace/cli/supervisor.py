"""Keep the web server and the worker alive, and end them together."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from config.env import ROOT
from populace.cli.output import note

LOOK_S = 0.1  # seconds between two looks at the children
STEADY_S = 5  # seconds; who lived longer did not "die at once"
BACKOFF_S = (0.25, 5)  # seconds before the second restart in a row, doubled each time, and at most
STOP_S = 9  # seconds to drain; a web process gives its requests 7 (serving.py), then whatever is left is killed


class Child:
    """One command that shall always be running."""

    def __init__(self, name: str, arguments: Sequence[str]) -> None:
        self.name = name
        self.arguments = [sys.executable, "-m", "populace.cli", str(os.getpid()), *arguments]
        self.process: subprocess.Popen[bytes] | None = None
        self.started = self.due = time.monotonic()
        self.failures = 0

    def keep(self) -> None:
        """Start it where it is due; where it has ended, say so and set when it is due again."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.due:
                self._start(now)
        elif (code := self.process.poll()) is not None:
            self.process = None
            self.failures = 0 if now - self.started > STEADY_S else self.failures + 1
            first, most = BACKOFF_S
            delay_s = min(first * 2 ** (self.failures - 2), most) if self.failures > 1 else 0.0
            self.due = now + delay_s
            note(f"populace: {self.name} ended ({_reason(code)}); starting it again in {delay_s:g} s")

    def _start(self, now: float) -> None:
        # A session of its own: Ctrl-C reaches the supervisor alone, which then ends everybody in order.
        self.process = subprocess.Popen(self.arguments, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 (our own words)
        self.started = now

    def stop(self, deadline: float) -> None:
        """Wait for its end until `deadline`, then kill it; its own children die with it."""
        if self.process is None:
            return
        try:
            self.process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            note(f"populace: {self.name} did not end in time and is killed")
            self.process.kill()
            self.process.wait()


def supervise(
    commands: Mapping[str, Sequence[str]],
    *,
    stop: threading.Event,
    ready: Callable[[], bool],
    stop_s: float = STOP_S,
) -> None:
    """Run each command of `populace` until `stop` is set; then drain all within `stop_s` seconds and return.

    A command that ends is started again: at once, and with growing pauses while it keeps dying. `ready` is asked
    again and again until it is true. Call it from the main thread: PR_SET_PDEATHSIG means the thread that forks.
    """
    children = [Child(name, arguments) for name, arguments in commands.items()]
    is_ready = False
    while not stop.wait(LOOK_S):
        for child in children:
            child.keep()
        is_ready = is_ready or ready()
    deadline = time.monotonic() + stop_s
    for child in children:
        if child.process is not None:
            child.process.terminate()
    for child in children:
        child.stop(deadline)


def _reason(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
