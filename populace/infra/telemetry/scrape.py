"""One scrape shows every process of this machine, also those that have ended.

Each process keeps its numbers in files named by its id. Files of ended processes are added up into one, so that
counters never fall and the folder does not grow with every restart or command line.
"""

import fcntl
import json
import os
import struct
from collections.abc import Iterable
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

log = structlog.get_logger(__name__)

ENDED = "ended"  # stands where the files of living processes have their id


def exposition(folder: Path) -> bytes:
    """Return all processes' metrics in Prometheus' text format 0.0.4, read from the files in `folder`."""
    _fold_ended(folder)
    registry = CollectorRegistry()
    registry.register(_Files(path for path in folder.glob("*_*.db") if _values(path) is not None))
    return generate_latest(registry)


class _Files(Collector):
    """The library's collector reads whatever is in the folder, and fails at the first broken file."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self.names = [str(path) for path in paths]

    def collect(self) -> Iterable[Metric]:
        """Return the metrics in all files, added up."""
        found: Iterable[Metric] = MultiProcessCollector.merge(self.names)  # type: ignore[no-untyped-call]
        return found


def _values(path: Path) -> list[tuple[str, float]] | None:
    """Return what a file holds by key; None where it is broken: cut off by a full disk or a crash, or overwritten."""
    try:
        values = [(key, value) for key, value, *_ in MmapedDict.read_all_values_from_file(str(path))]  # type: ignore[no-untyped-call]
        for key, _ in values:
            _, _, labels, _ = json.loads(key)
            labels.items()
    except (OSError, ValueError, TypeError, AttributeError, RuntimeError, struct.error):
        return None
    return values


def _fold_ended(folder: Path) -> None:
    """Add the files of ended processes to one file per kind; a second scraper at the same moment leaves it to us."""
    with (folder / "fold.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        ended = [path for path in folder.glob("*_*.db") if _has_ended(path)]
        for kind in ("counter", "histogram"):
            if files := [path for path in ended if path.name.startswith(kind)]:
                _add_up(folder, kind, files)
        for path in ended:  # a gauge says how things are: with its process it is gone
            path.unlink(missing_ok=True)


def _has_ended(path: Path) -> bool:
    """Tell whether the process that wrote `path` is gone; one that reuses its id goes on counting in its file."""
    pid = path.stem.rpartition("_")[2]
    if not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _add_up(folder: Path, kind: str, files: Iterable[Path]) -> None:
    """Replace the kind's file of ended processes by itself plus `files`.

    Killed between the rename and the unlinking, the next scrape would count `files` twice; that window is shorter
    than a millisecond and the numbers are rates for people, so no journal.
    """
    total = folder / f"{kind}_{ENDED}.db"
    sums: dict[str, float] = {}
    for path in [total, *files] if total.exists() else files:
        values = _values(path)
        if values is None:  # a gap in the numbers; the caller removes the file
            log.warning("metrics_file_unreadable", file=path.name)
        for key, value in values or ():
            sums[key] = sums.get(key, 0.0) + value
    fresh = folder / f"{kind}.{ENDED}"  # not *.db: no reader may see it half written
    fresh.unlink(missing_ok=True)
    file = MmapedDict(str(fresh))  # type: ignore[no-untyped-call]
    for key, value in sums.items():
        file.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
    file.close()  # type: ignore[no-untyped-call]
    fresh.rename(total)
