"""UUIDv7 primary keys (RFC 9562 section 5.7), made by the application."""

import os
import threading
import time
from uuid import UUID

FIRST_ID, LAST_ID = UUID(int=0), UUID(int=(1 << 128) - 1)
"""Places before and behind every id, for lists that begin at an end."""

_lock = threading.Lock()
_last = 0  # the 60 bits of the newest id: 48 of Unix milliseconds, 12 of counter


def new_id() -> UUID:
    """Return a UUIDv7, greater than every one this process made before.

    48 bits of Unix milliseconds, a 12-bit counter (RFC 9562 section 6.2, method 1; 4,096 ids a
    millisecond, then the clock is borrowed from), 62 random bits. Order across processes is never
    relied on, and nothing secret (tokens, links) is made from it.
    """
    stamp = reserve(1)
    random = int.from_bytes(os.urandom(8)) & (1 << 62) - 1
    return UUID(int=(stamp >> 12) << 80 | 7 << 76 | (stamp & 0xFFF) << 64 | 2 << 62 | random)


def reserve(count: int) -> int:
    """Set `count` stamps (the 60 bits before the random ones) aside, for the database to make ids of; the first one."""
    global _last
    with _lock:
        # A clock that steps back, or a full millisecond, only ever counts on from the newest id.
        first = max(time.time_ns() // 1_000_000 << 12, _last + 1)
        _last = first + count - 1
    return first


def new_ids(count: int) -> list[str]:
    """Return ids as `new_id` makes them, in hexadecimal digits alone: many at once cost a fifth."""
    first, random = reserve(count), os.urandom(8 * count)
    return [
        f"{stamp >> 12:012x}7{stamp & 0xFFF:03x}{int.from_bytes(random[at : at + 8]) & (1 << 62) - 1 | 1 << 63:016x}"
        for stamp, at in zip(range(first, first + count), range(0, 8 * count, 8), strict=True)
    ]
