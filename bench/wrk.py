"""One sample: wrk drives one server, and what the server and the database spent meanwhile is read from /proc."""

import json
import os
import resource
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.cases import Case
from bench.cpu import busy_us, used_us, wait_for_silence
from bench.stage import CORES, OTHER_CORE, Server, Stage

CONNECTIONS = 16
TIMEOUT_S = 20
SILENCE_LIMIT_S = 5
SCRIPT = Path(__file__).with_suffix(".lua")


class BadAnswer(SystemExit):
    """A server answered anything but what the case wants: its figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Figures of one run of wrk. `others` is the share of the machine that strangers used meanwhile."""

    requests: float
    per_second: float
    server_us: float
    database_us: float
    p50_ms: float
    p99_ms: float
    others: float

    @property
    def total_us(self) -> float:
        return self.server_us + self.database_us


def middle(samples: list[Sample]) -> Sample:
    """Return the medians of `samples`, figure by figure."""
    return Sample(*(median(getattr(sample, name) for sample in samples) for name in Sample.__slots__))


def need_wrk() -> None:
    """End with one clear line where there is no wrk."""
    if not shutil.which("wrk"):
        raise SystemExit("bench: wrk is missing: install it with your package manager (Debian: apt-get install wrk)")


def run_wrk(
    server: Server, case: Case, authorization: str, paths: Path, seconds: float, prefix: str, connections: int
) -> dict[str, int]:
    """Run wrk and return the figures of wrk.lua; raises BadAnswer when a single request failed."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={TIMEOUT_S}s", "-s", str(SCRIPT)]
    command += [server.url, "--", str(paths), case.method, prefix]
    done = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], "BENCH_AUTHORIZATION": authorization, "BENCH_BODY": case.body},
        preexec_fn=lambda: os.sched_setaffinity(0, {OTHER_CORE}),
        check=True,
        capture_output=True,
        text=True,
    )
    figures: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    if not figures["requests"] or figures["bad_status"] or figures["broken"]:
        raise BadAnswer(f"bench: {server.name}, {case.name}: failed requests: {figures}")
    return figures


def settle(server: Server) -> None:
    """Wait until the server has answered what was still in its queue when wrk hung up, then for a quiet machine."""
    before = -1
    while (now := used_us(server.process.pid)) != before:
        before = now
        time.sleep(0.1)
    wait_for_silence(SILENCE_LIMIT_S)


def sample(
    stage: Stage, server: Server, case: Case, paths: Path, seconds: float, prefix: str, connections: int = CONNECTIONS
) -> Sample:
    """Drive `server` for `seconds` and return what it cost. Raises BadAnswer."""
    settle(server)
    roots = server.process.pid, stage.postgresql.process.pid
    busy, wrk_s, began = busy_us(), children_s(), time.monotonic()
    before = [used_us(root) for root in roots]
    figures = run_wrk(server, case, stage.authorization(server), paths, seconds, prefix, connections)
    server_us, database_us = (used_us(root) - earlier for root, earlier in zip(roots, before, strict=True))
    wall_us = (time.monotonic() - began) * 1e6
    ours_us = server_us + database_us + (children_s() - wrk_s) * 1e6
    requests = figures["requests"]
    return Sample(
        requests=requests,
        per_second=requests / figures["duration_us"] * 1e6,
        server_us=server_us / requests,
        database_us=database_us / requests,
        p50_ms=figures["p50_us"] / 1000,
        p99_ms=figures["p99_us"] / 1000,
        others=max(0.0, busy_us() - busy - ours_us) / wall_us / len(CORES),
    )


def children_s() -> float:
    """Return the CPU seconds of our ended children: between two calls, wrk's."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
