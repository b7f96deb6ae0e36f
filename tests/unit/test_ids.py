"""UUIDv7 as RFC 9562 section 5.7 lays it out, in order within a process."""

import threading
import time
from uuid import RFC_4122

import pytest

from populace.infra.db import ids
from populace.infra.db.ids import new_id, reserve


def milliseconds(id):
    return id.int >> 80


def test_version_variant_and_time_are_the_standards():
    before = time.time_ns() // 1_000_000
    id = new_id()
    assert (id.version, id.variant) == (7, RFC_4122)
    assert before <= milliseconds(id) <= before + 5000


def test_each_is_greater_than_the_one_before():
    many = [new_id() for _ in range(10_000)]
    assert many == sorted(set(many))
    assert [str(id) for id in many] == sorted(str(id) for id in many)


def test_threads_never_get_the_same():
    found = []
    threads = [threading.Thread(target=lambda: found.extend([new_id() for _ in range(2000)])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id.int >> 64 for id in found}) == 8000


@pytest.mark.parametrize("step_s", [-3600, 0])
def test_a_clock_that_steps_back_or_stands_still_changes_no_order(monkeypatch, step_s):
    first = new_id()
    frozen = time.time_ns() + step_s * 10**9
    monkeypatch.setattr(ids.time, "time_ns", lambda: frozen)
    many = [new_id() for _ in range(5000)]  # more than one millisecond's counter holds
    assert [first, *many] == sorted({first, *many})
    assert milliseconds(many[-1]) - milliseconds(first) < 2000


def test_the_tail_is_random():
    assert len({new_id().int & (1 << 62) - 1 for _ in range(1000)}) == 1000


def test_stamps_set_aside_lie_between_the_ids_before_and_after_them():
    before = new_id()
    first = reserve(10_000)
    after = new_id()

    def stamp(id):
        return id.int >> 80 << 12 | id.int >> 64 & 0xFFF

    assert stamp(before) < first
    assert stamp(after) >= first + 10_000
