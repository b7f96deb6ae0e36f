"""What the command line says and how it ends: results on stdout, everything else on stderr, one line an error."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

CANNOT_RUN, USAGE, SOME_ROWS_BAD, REFUSED = 1, 2, 3, 4
"""Exit codes other than 0; docs/reference/cli.md explains them."""

type Report = Callable[[float], None]
"""Told how much is done, 0 to 1."""


class Failure(Exception):
    """Ends the command with one line on stderr."""

    def __init__(self, exit_code: int, line: str) -> None:
        super().__init__(line)
        self.exit_code = exit_code


def failed(line: str) -> None:
    """Write one line to stderr."""
    note(f"populace: {' '.join(line.split())}")


def note(line: str) -> None:
    """Write a line that is not a result to stderr; where nobody reads it any more, go on."""
    try:
        print(line, file=sys.stderr, flush=True)
    except BrokenPipeError:
        # What the buffer keeps would fail once more at the end and make the exit code 120.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    except OSError:  # a full disk may have room again
        pass


def result(values: Mapping[str, Any], *, as_json: bool) -> None:
    """Write a result to stdout: one JSON object a line, or `name value` lines; empty values are left out."""
    if as_json:
        print(json.dumps(values, ensure_ascii=False), flush=True)
        return
    for name, value in values.items():
        if value not in (None, "", [], {}):
            print(f"{name:<19} {_plain(value)}", flush=True)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@contextmanager
def progress(what: str, *, as_json: bool) -> Iterator[Report]:
    """Give a Report that draws a bar with the time left; silent where stderr is no terminal or with `--json`."""
    if as_json or not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda done: bar.update(task, completed=done)
