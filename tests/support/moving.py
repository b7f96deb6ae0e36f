"""Directories to move: one with something of everything, empty ones to move into, and files that somebody changed."""

import gzip
import hashlib
import itertools
import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.installation import Installation, run, settings_of
from tests.support.plugin import Session
from tests.support.ports import free_port

PASSWORD = "correct horse battery"
ANN = {
    "username": "ann",
    "email": "Ann@Example.org",
    "first_name": "Łucja",
    "phone": "+436641234567",
    "attributes": {"team": "red", "b": 1.5, "a": [None, {"z": 1}]},
}
BARE_SSHA = "{SSHA}0c0blFTXXNuAMHECS4uxrj3ZieMoWImr"  # test123
EMPTY = "empty"
_numbers = itertools.count(1)


def empty(var: Path, *, sqlite: bool = False) -> dict[str, str]:
    """Make a new migrated database, of the run's engine unless SQLite is asked for; returns an environment for it."""
    folder = var / f"target{next(_numbers)}"
    folder.mkdir()
    return settings_of(folder, _copied(folder, _blueprint(sqlite or not Session.server)), free_port())


@cache
def _blueprint(sqlite: bool) -> str:
    """Migrate a database once, to make others of; returns its URL."""
    url = f"sqlite:///{Session.var / EMPTY}" if sqlite else Session.server.create(EMPTY)
    run(settings_of(Session.var, url, free_port()), "migrate")
    return url


def _copied(folder: Path, url: str) -> str:
    if not url.startswith("sqlite"):
        return Session.server.create(folder.name, template=EMPTY)
    shutil.copy(Session.var / EMPTY, folder / "populace.sqlite3")
    return f"sqlite:///{folder / 'populace.sqlite3'}"


def fill(made: Installation) -> dict[str, Any]:
    """Make something of everything by the API; returns what a test wants to know of it. Web and worker go on."""
    made.start_web()
    made.start_worker()
    _call(made, "PUT", "attribute-schema", {"properties": {"team": {"type": "string", "indexed": True}}})
    ann = _call(made, "POST", "users", ANN | {"password": PASSWORD})
    ldap = _call(made, "POST", "users", {"username": "ldap", "password_hash": BARE_SSHA})
    gone = _call(made, "POST", "users", {"email": "gone@example.org"})
    _call(made, "DELETE", f"users/{gone['id']}")
    top = _call(made, "POST", "groups", {"name": "Staff", "roles": ["viewer"]})
    below = _call(made, "POST", "groups", {"name": "Büro", "parents": [top["id"]]})
    _call(made, "POST", f"groups/{below['id']}/members", {"add": [ann["id"], ldap["id"]]})
    _call(made, "POST", f"users/{ann['id']}/roles", {"add": ["auditor"]})
    _call(made, "POST", f"users/{ldap['id']}/deactivate")
    token = _call(made, "POST", "tokens", {"owner": ann["id"], "name": "hers", "scopes": ["users:read"]})
    return {"ann": ann["id"], "token": token["secret"], "below": below["id"]}


def _call(made: Installation, method: str, path: str, body: Any = None) -> Any:
    answer = made.http.request(method, f"/api/v1/{path}", json=body)
    assert answer.is_success, f"{method} {path}: {answer.text}"
    return answer.json() if answer.content else None


def lines(path: Path) -> list[bytes]:
    """Return the lines of an export."""
    return gzip.decompress(path.read_bytes()).splitlines(keepends=True)


def forged(path: Path, change: Callable[[list[Any]], None]) -> Path:
    """Return a copy whose decoded lines somebody changed with care: its last line agrees with them."""
    decoded = [json.loads(line) for line in lines(path)[:-1]]
    change(decoded)
    above = b"".join(json.dumps(line).encode() + b"\n" for line in decoded)
    counts, table = {}, ""
    for line in decoded[1:]:
        if isinstance(line, dict):
            table = line["table"]
            counts[table] = 0
        else:
            counts[table] += 1
    last = {"counts": counts, "sha256": hashlib.sha256(above).hexdigest()}
    other = path.with_name(f"forged{next(_numbers)}.gz")
    other.write_bytes(gzip.compress(above + json.dumps(last).encode() + b"\n"))
    return other
