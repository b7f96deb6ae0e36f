"""What a worker does, one round at a time and in the test's own thread."""

import threading

from populace.audit.dispatch import dispatch
from populace.audit.worker import look
from populace.infra.tasks.engines.database import serve


def step() -> int:
    """Dispatch a batch of events, then run a batch of each lane in which something is due; returns how many of all."""
    seen = look()
    done = dispatch() if seen.events else 0
    return done + sum(serve(lane, threading.Event()) for lane in seen.due)
