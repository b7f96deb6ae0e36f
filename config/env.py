"""Strict readers of the environment: the only place that touches os.environ.

Every reader records the name it was asked for; `finish()` refuses an unknown `POPULACE_*`, and a test compares the
names with docs/reference/settings.md. A bad value raises EnvError naming the variable, never its value.
"""

import difflib
import os
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
"""The project's folder: relative paths in URLs start here."""

READ: set[str] = set()
"""Every variable read so far."""

# `make run` writes these for people, not for settings; Kubernetes adds POPULACE_*_SERVICE_* to every pod by itself.
IGNORED = {"POPULACE_URL", "POPULACE_ADMIN_EMAIL", "POPULACE_ADMIN_PASSWORD", "POPULACE_TOKEN"}
KUBERNETES = ("_SERVICE_HOST", "_SERVICE_PORT", "_PORT", "_TCP", "_TCP_PROTO", "_TCP_PORT", "_TCP_ADDR")


class EnvError(SystemExit):
    """A variable is missing or malformed: the process ends with exit code 1 and one line that names it."""


def fail(name: str, reason: str) -> NoReturn:
    """End the start: `name` is at fault because of `reason` (which must not repeat a secret)."""
    raise EnvError(f"populace: {name}: {reason}")


def load_local(path: Path) -> None:
    """Read NAME=value lines of `make run`'s var/local.env where POPULACE_MODE is unset; the environment wins."""
    if "POPULACE_MODE" in os.environ or not path.exists():
        return
    for line in path.read_text().splitlines():
        name, found, value = line.partition("=")
        if found and not name.startswith("#"):
            os.environ.setdefault(name.strip(), value.strip())


def text(name: str, default: str = "") -> str:
    """Return the variable, or what stands in the file that `name`_FILE names (a mounted secret), or `default`."""
    READ.add(name)
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            fail(f"{name}_FILE", error.strerror or "cannot be read")
    return os.environ.get(name, "").strip() or default


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    """Return one of `allowed`."""
    value = text(name, default)
    if value not in allowed:
        fail(name, f"must be one of {', '.join(allowed)}")
    return value


def integer(name: str, default: int, lowest: int, highest: int) -> int:
    """Return a whole number within the bounds, both included."""
    value = text(name, str(default))
    if not value.isdecimal() or not lowest <= int(value) <= highest:
        fail(name, f"must be a whole number from {lowest} to {highest}")
    return int(value)


def finish() -> None:
    """Refuse what nobody read: a misspelt setting must not be silently ignored."""
    known = READ | {f"{name}_FILE" for name in READ} | IGNORED
    for name in os.environ:
        if name.startswith("POPULACE_") and name not in known and not name.endswith(KUBERNETES):
            near = difflib.get_close_matches(name, known, 1)
            fail(name, "unknown setting" + (f"; did you mean {near[0]}?" if near else ""))
