"""Strict readers of the environment: the only place that touches os.environ.

Every reader records the name it was asked for; `finish()` refuses an unknown `POPULACE_*`, and a test compares the
names with docs/reference/settings.md. A bad value raises EnvError naming the variable, never its value.
"""

import difflib
import os
import secrets
from collections.abc import Mapping
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


def var_dir() -> Path:
    """Return POPULACE_VAR_DIR, the folder of what one machine keeps; a relative one is in the project's folder."""
    return ROOT / text("POPULACE_VAR_DIR", "var")


def load_local(path: Path) -> None:
    """Read NAME=value lines of `make run`'s var/local.env where POPULACE_MODE is unset; the environment wins."""
    if "POPULACE_MODE" not in os.environ:
        for name, value in pairs(path).items():
            os.environ.setdefault(name, value)


def begin_local() -> None:
    """Turn this process and its children to local mode, for `make run`; call it before the settings are read.

    Mode, key and database come from the environment, else from local.env in the var folder, else they are made.
    local.env then says what is in force, for a shell beside `make run`. Refuses where another mode is asked for.
    """
    if text("POPULACE_MODE", "local") != "local":
        fail("POPULACE_MODE", "must be local or unset for `populace up`; otherwise use `serve` and `worker`")
    var = var_dir()
    path, folder = var / "local.env", var.relative_to(ROOT) if var.is_relative_to(ROOT) else var
    var.mkdir(mode=0o700, parents=True, exist_ok=True)  # nobody else on the machine reads the database
    kept = pairs(path)
    values = {
        "POPULACE_MODE": "local",
        "POPULACE_SECRET_KEY": secrets.token_urlsafe(48),
        "DATABASE_URL": f"sqlite:///{folder}/populace.sqlite3",
    } | kept
    values = {name: os.environ.get(name) or value for name, value in values.items()}
    os.environ.update(values)
    if values != kept:
        write_private(path, values)


def pairs(path: Path) -> dict[str, str]:
    """Return the NAME=value lines of a file without its comments; nothing where there is no file."""
    lines = path.read_text().splitlines() if path.exists() else []
    parts = [line.partition("=") for line in lines if not line.startswith("#")]
    return {name.strip(): value.strip() for name, found, value in parts if found}


def write_private(path: Path, values: Mapping[str, str]) -> None:
    """Write NAME=value lines, readable by the owner alone (0600) and renamed into place: nobody sees half a file."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())
    new.replace(path)


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
