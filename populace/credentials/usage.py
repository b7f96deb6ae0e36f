"""When tokens were last used: noted in memory by every request, written in the background, never by a GET itself."""

import threading
from datetime import timedelta

import structlog
from django.db import Error, close_old_connections
from django.db.models import Value
from django.db.models.functions import Least
from django.utils.timezone import now

from populace.credentials.models import ApiToken

FLUSH_S = 30
FRESH = timedelta(seconds=60)
"""`last_used_at` is written at most once in this time, so that a busy token is not a busy row."""

BATCH = 1000  # tokens of one statement

USED: set[bytes] = set()
"""Ids of the tokens that this process has accepted since its last flush: no more than there are valid tokens."""

log = structlog.get_logger(__name__)


def start() -> threading.Thread:
    """Begin to flush every FLUSH_S, in a thread that ends with its process; to be called once in each web process."""
    thread = threading.Thread(target=_flush_for_ever, name="token usage", daemon=True)
    thread.start()
    return thread


def flush() -> int:
    """Write down that the tokens in USED were used, to half a minute; returns how many rows were written.

    A token that any process has written within FRESH is left alone. What cannot be written is forgotten: the next use
    notes it again.
    """
    ids = [USED.pop().decode() for _ in range(len(USED))]
    at, written = now(), 0
    for start_ in range(0, len(ids), BATCH):
        tokens = ApiToken._base_manager.filter(id__in=ids[start_ : start_ + BATCH], last_used_at__lt=at - FRESH)
        # Nobody reads that it was used after its end: this is written up to FLUSH_S later.
        written += tokens.update(last_used_at=Least(Value(at), "expires_at", "revoked_at"))
    return written


def _flush_for_ever() -> None:
    pause = threading.Event()
    while not pause.wait(FLUSH_S):
        if not USED:
            continue
        try:
            flush()
        except Error as error:
            log.error("token_usage_not_written", error=type(error).__name__)
        finally:
            close_old_connections()  # gives it back to its pool, or renews it in time
