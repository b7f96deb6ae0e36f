"""Where the time of one GET, of one list and of one create goes: `.venv/bin/python -m bench.profile`.

Calls Populace's WSGI application in this process, without granian, and looks at the stack after each tick of CPU
(ITIMER_PROF; 1 to 4 ms, as the kernel has it): unlike cProfile this does not make small functions look dear, and
waiting for the database counts for nothing. A C function's time is its caller's. From the environment: ROWS (people,
10,000), REQUESTS (of each kind, 10,000), REQUEST ("get by id", "list first page" or "create"; all).
"""

import io
import json
import os
import secrets
import signal
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any
from wsgiref.util import setup_testing_defaults

from bench.cases import BASE, CASES, FIRST
from bench.stage import stage
from tests.support.processes import ROOT

PERIOD_S = 0.001
SHOWN = 30

Call = Callable[[], bytes]
"""One request: makes it, checks its status and returns the body."""


class Samples:
    """Counts of stacks: by the innermost function, and by every function on the stack once."""

    def __init__(self) -> None:
        self.innermost: Counter[CodeType] = Counter()
        self.functions: Counter[CodeType] = Counter()

    def take(self, _signal: int, frame: FrameType | None) -> None:
        """Count the interrupted stack, as far out as the application goes; the handler of SIGPROF."""
        if frame is None or frame.f_code.co_filename == __file__:
            return
        self.innermost[frame.f_code] += 1
        seen = set()
        while frame and frame.f_code.co_filename != __file__:
            seen.add(frame.f_code)
            frame = frame.f_back
        self.functions.update(seen)

    def layers(self) -> Counter[str]:
        """Return the counts of the innermost functions by whose they are."""
        counts: Counter[str] = Counter()
        for code, count in self.innermost.items():
            counts[layer(code.co_filename)] += count
        return counts

    @contextmanager
    def running(self) -> Iterator[None]:
        """Sample this thread while the block runs."""
        signal.signal(signal.SIGPROF, self.take)
        signal.setitimer(signal.ITIMER_PROF, PERIOD_S, PERIOD_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)


def layer(filename: str) -> str:
    """Return whose code a file is: a folder of ours, a package, or Python's own library."""
    path = Path(filename)
    if "site-packages" in path.parts:
        return path.parts[path.parts.index("site-packages") + 1]
    if path.is_relative_to(ROOT / "populace"):
        return "/".join(path.relative_to(ROOT).parts[:-1])
    return "Python's library"


def place(code: CodeType) -> str:
    """Return where a function stands, from the project, its package or Python's library on."""
    short = code.co_filename.partition("site-packages/")[2] or code.co_filename
    for folder in (str(ROOT), sysconfig.get_path("stdlib")):
        short = short.removeprefix(f"{folder}/")
    return f"{code.co_qualname} ({short}:{code.co_firstlineno})"


def caller(application: Any, case: str, path: str, status: int) -> Call:
    """Return a function that sends one request of `case` straight into `application`."""

    def call() -> bytes:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "POST" if case == "create" else "GET",
            "PATH_INFO": path,
            "HTTP_HOST": "127.0.0.1",
            "HTTP_AUTHORIZATION": f"Bearer {os.environ['BENCH_TOKEN']}",
            "REMOTE_ADDR": "127.0.0.1",
        }
        if case == "create":
            name = secrets.token_hex(8)
            body = json.dumps({"username": name, "email": f"{name}@example.com", "first_name": "Zoë"}).encode()
            environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body))}
            environ["wsgi.input"] = io.BytesIO(body)
        setup_testing_defaults(environ)
        seen: list[str] = []
        response = application(environ, lambda line, headers: seen.append(line))
        text = b"".join(response)  # a list: nothing of it waits to be closed
        if not seen[0].startswith(str(status)):
            raise SystemExit(f"bench: {case}: {seen[0]}: {text[:500]!r}")
        return text

    return call


def show(samples: Samples, each_us: float) -> None:
    """Print the tables; µs are shares of what a request costs when nobody looks."""
    total = samples.innermost.total()
    for title, counts in (
        ("Whose code runs", samples.layers()),
        ("Functions, without what they call", samples.innermost),
        ("Functions, with all they call", samples.functions),
    ):
        print(f"{title}:")
        for name, count in counts.most_common(SHOWN):
            share = count / total
            print(f"{share:6.1%} {share * each_us:7.0f} µs  {name if isinstance(name, str) else place(name)}")
        print()


def profile(case: str, call: Call, requests: int) -> None:
    """Run a request many times, first alone for its cost, then watched for where that goes."""
    for _ in range(200):
        call()
    began = time.thread_time()
    for _ in range(requests):
        call()
    each_us = (time.thread_time() - began) / requests * 1e6
    samples = Samples()
    with samples.running():
        for _ in range(requests):
            call()
    stacks = samples.innermost.total()
    print(f"\n{case}: {each_us:.0f} µs of CPU a request in this process; {stacks:,} stacks of {requests:,} requests\n")
    show(samples, each_us)


@contextmanager
def quiet() -> Iterator[None]:
    """Send the log lines to a file, as a server's are; they are part of the cost."""
    kept = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def inside(requests: int) -> None:
    """Profile; runs in a process that has Populace's settings."""
    from config.wsgi import application
    from populace.users.models import User

    someone = User.objects.order_by("-pk").values_list("pk", flat=True)[0]
    paths = {"get by id": f"{BASE}/{someone}", "create": BASE, FIRST: BASE}
    for case in CASES:
        if case.name in paths and os.environ.get("REQUEST") in (None, "", case.name):
            profile(case.name, caller(application, case.name, paths[case.name], case.status), requests)


def main() -> None:
    with stage(int(os.environ.get("ROWS") or 10_000), naive=False) as made:
        env = {"REQUESTS": os.environ.get("REQUESTS") or "10000", "REQUEST": os.environ.get("REQUEST") or ""}
        print(made.run("populace", [sys.executable, "-m", "bench.profile", "inside"], **env))


if __name__ == "__main__":
    if sys.argv[1:] == ["inside"]:
        with quiet():
            inside(int(os.environ["REQUESTS"]))
    else:
        main()
