"""Strict readers of the environment: the only place that touches os.environ.

Every reader records the name it was asked for; `finish()` refuses an unknown `POPULACE_*`, and a test compares the
names with docs/reference/settings.md. A bad value raises EnvError naming the variable, never its value.
"""

import difflib
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

ROOT = Path(__file__).resolve().parent.parent
"""The project's folder: relative paths in URLs start here."""

READ: set[str] = set()
"""Every variable read so far."""

FAULTS: list[str] = []
"""What is wrong so far and can wait until everything wrong is known."""

OPEN_FILES: list[str] = []
"""The `NAME_FILE` read so far whose file everybody on the machine may use."""

# `make run` writes these for people, not for settings.
IGNORED = {"POPULACE_URL", "POPULACE_ADMIN_EMAIL", "POPULACE_ADMIN_PASSWORD", "POPULACE_TOKEN"}
# Kubernetes gives every pod these for a service, after its name (kubernetes.io/docs/concepts/services-networking).
_of_service = re.compile(
    r"_SERVICE_HOST|_SERVICE_PORT(_\w+)?|_PORT(_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)?"
).fullmatch
_OTHERS = 0o007  # permission bits


class EnvError(SystemExit):
    """A variable is missing or malformed: the process ends with exit code 1 and one line that names it."""


def fail(name: str, reason: str) -> NoReturn:
    """End the start: `name` is at fault because of `reason` (which must not repeat a secret)."""
    raise EnvError("populace: " + "; ".join([*FAULTS, f"{name}: {reason}"]))


def blame(name: str, reason: str) -> None:
    """End the start too, but with everything else that is wrong: finish() does it."""
    FAULTS.append(f"{name}: {reason}")


def make_folder(name: str, folder: Path, mode: int = 0o777) -> None:
    """Make the folder that variable `name` leads to, and those above it, where they are missing."""
    try:
        folder.mkdir(mode, parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # a NUL is a ValueError
        fail(name, _reason(error))


def _reason(error: OSError | ValueError) -> str:
    """Return why something cannot be read or made, without naming it."""
    return (
        "is not UTF-8 text" if isinstance(error, UnicodeError) else getattr(error, "strerror", "") or "cannot be used"
    )


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
    try:
        var.mkdir(mode=0o700, parents=True, exist_ok=True)  # nobody else on the machine reads the database
    except OSError as error:
        fail("POPULACE_VAR_DIR", _reason(error))
    kept = pairs(path)
    values = {
        "POPULACE_MODE": "local",
        "POPULACE_SECRET_KEY": secrets.token_urlsafe(48),
        "DATABASE_URL": f"sqlite:///{folder}/populace.sqlite3",
    } | kept
    values = {name: os.environ.get(name) or value for name, value in values.items()}
    os.environ.update(values)
    if values != kept:
        try:
            write_private(path, values)
        except OSError as error:
            fail("POPULACE_VAR_DIR", _reason(error))


def pairs(path: Path) -> dict[str, str]:
    """Return the NAME=value lines of a file without its comments; nothing where there is no file."""
    try:
        lines = path.read_text().splitlines() if path.exists() else []
    except (OSError, UnicodeError) as error:
        fail(str(path), _reason(error))
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
            with open(path, encoding="utf-8") as file:
                if os.fstat(file.fileno()).st_mode & _OTHERS:
                    OPEN_FILES.append(f"{name}_FILE")
                return file.read().strip()
        except (OSError, UnicodeError) as error:
            fail(f"{name}_FILE", _reason(error))
    value = os.environ.get(name, "").strip()
    if not value.isascii() and re.search("[\ud800-\udfff]", value):  # how Python shows bytes that are not UTF-8
        fail(name, "is not UTF-8 text")
    return value or default


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    """Return one of `allowed`."""
    value = text(name, default)
    if value not in allowed:
        fail(name, f"must be one of {', '.join(allowed)}")
    return value


def integer(name: str, default: int, lowest: int, highest: int) -> int:
    """Return a whole number within the bounds, both included."""
    value = text(name, str(default))
    # isdecimal() alone takes the digits of every script; int() refuses thousands of them.
    if not (value.isascii() and value.isdecimal() and len(value) < 20 and lowest <= int(value) <= highest):
        fail(name, f"must be a whole number from {lowest} to {highest}")
    return int(value)


def url(name: str, value: str) -> SplitResult:
    """Return the URL in its parts, of which none raises when it is asked for."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        fail(
            name, "is not a URL (special characters in user name and password are percent-encoded; ports end at 65535)"
        )
    return parts


def folder(name: str) -> Path | None:
    """Return the folder, which must be there; a relative one is in the project's folder. Unset: None."""
    if not (value := text(name)):
        return None
    if not (ROOT / value).is_dir():
        fail(name, "is not a folder")
    return ROOT / value


def finish(*, private: bool) -> None:
    """End the start if anything was to blame, or nobody read a setting: it is misspelt, and would be ignored.

    `private`: no file that holds a setting may be open to everybody on the machine.
    """
    if private:
        for name in OPEN_FILES:
            blame(name, "everybody on this machine may use the file; take that away (chmod o-rwx)")
    known = READ | {f"{name}_FILE" for name in READ} | IGNORED
    for name in _unknown(known):
        near = difflib.get_close_matches(name, known, 1)
        blame(name, "unknown setting" + (f" (did you mean {near[0]}?)" if near else ""))
    if FAULTS:
        raise EnvError("populace: " + "; ".join(FAULTS))


def _unknown(known: set[str]) -> Iterator[str]:
    services = [name.removesuffix("_SERVICE_HOST") for name in os.environ if name.endswith("_SERVICE_HOST")]
    for name in os.environ:
        given = any(name.startswith(service) and _of_service(name[len(service) :]) for service in services)
        if name.startswith("POPULACE_") and name not in known and not given:
            yield name
