"""What processes cost, from /proc: exact to a clock tick (10 ms), so a sample must hold many requests."""

import os
import time
from pathlib import Path

TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")


def stat(pid: int | str) -> tuple[int, int]:
    """Return (parent's pid, µs of CPU used by it and by its children that have ended); see proc(5)."""
    # The name in parentheses may hold spaces; what follows the last one is plain.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[1]), sum(map(int, fields[11:15])) * TICK_US


def thread_us(pid: int) -> float:
    """Return the CPU µs of a process of one thread, to the nanosecond (Linux's schedstat), not to a tick."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1000


def tree(root: int) -> dict[int, int]:
    """Return {pid: µs} of `root` and all its living descendants."""
    seen = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            try:
                seen[int(entry.name)] = stat(entry.name)
            except (FileNotFoundError, ProcessLookupError):
                continue  # ended between the listing and the look
    found: dict[int, int] = {}
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        found[pid] = seen[pid][1]
        waiting += [child for child, (parent, _) in seen.items() if parent == pid]
    return found


def used_us(root: int) -> int:
    """Return the CPU µs that `root` and everything it ever started have used; never goes back."""
    # A child that ends moves its time to the parent that waited for it.
    return sum(tree(root).values())


def busy_us() -> int:
    """Return the µs that all cores together have not been idle since the machine started."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(
        int, Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) * TICK_US


def pin(root: int, *cores: int) -> None:
    """Bind `root`, its descendants and all their threads to these cores; what they start later inherits it."""
    for pid in tree(root):
        for thread in os.scandir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(thread.name), cores)


def wait_for_silence(limit_s: float) -> bool:
    """Wait until the whole machine is less than 10 % busy for 0.2 s; False when it was not within `limit_s`."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        before, began = busy_us(), time.monotonic()
        time.sleep(0.2)
        if busy_us() - before < 0.1 * (os.cpu_count() or 1) * (time.monotonic() - began) * 1e6:
            return True
    return False
