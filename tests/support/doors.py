"""All doors: every way by which a person's values come in from outside. A new door adds itself to DOORS.

Tests of the attack catalogue loop over them, so that a rule which one door forgets fails there by itself.
"""

import csv
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.installation import POPULACE, Installation
from tests.support.processes import ROOT

USERS = "/api/v1/users"
_numbers = itertools.count(1)

# The commands one after another in one process: Python and Django start once, everything else is the command line's.
COMMANDS = """
import contextlib, io, json, sys
from populace.cli import main
for arguments in json.load(sys.stdin):
    sys.argv = ["populace", *arguments]
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
    print(json.dumps([code, said.getvalue()]))
"""


class Outcome(NamedTuple):
    """What a door answered: `code` is "" where it let the values in; `field` names the value at fault."""

    code: str
    field: str = ""
    status: int = 0  # of HTTP; a conflict has 409 or says `_taken` or `confusable`


class Door(NamedTuple):
    """One way in. `enter` takes many people's values, each alone, and returns what came of each."""

    name: str
    enter: Callable[[Installation, Sequence[dict[str, str]]], list[Outcome]]
    carries: Callable[[str], bool] = lambda text: True
    """Whether a value arrives at all as it was sent."""


def answered(response) -> Outcome:
    """Return what the API said; a refusal must be a problem detail."""
    if response.status_code < 300:
        return Outcome("")
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert (problem["status"], "Traceback" in response.text) == (response.status_code, False)
    fault = problem.get("errors", [{"code": problem["code"], "pointer": ""}])[0]
    return Outcome(fault["code"], fault["pointer"].removeprefix("/"), response.status_code)


def rest_create(server: Installation, people: Sequence[dict[str, str]]) -> list[Outcome]:
    return [answered(server.http.post(USERS, json=values)) for values in people]


def rest_batch(server: Installation, people: Sequence[dict[str, str]]) -> list[Outcome]:
    """All of them in one body: a result for each."""
    answer = server.http.post(f"{USERS}/batch", json={"users": people})
    assert answer.status_code == 200, answer.text
    assert "Traceback" not in answer.text
    return [_of_batch(result) for result in answer.json()["results"]]


def _of_batch(result: dict[str, Any]) -> Outcome:
    if result["status"] == 201:
        return Outcome("")
    problem = result["error"]
    assert problem["status"] == result["status"]
    fault = problem.get("errors", [{"code": problem["code"], "pointer": ""}])[0]
    return Outcome(fault["code"], fault["pointer"].removeprefix("/"), result["status"])


def rest_patch(server: Installation, people: Sequence[dict[str, str]]) -> list[Outcome]:
    """Change somebody who is there; their own values are made beforehand: see `ready`."""
    return [answered(server.http.patch(f"{USERS}/{server.victim}", json=values)) for values in people]


def command(server: Installation, people: Sequence[dict[str, str]]) -> list[Outcome]:
    commands = [
        ["user", "create", "--quiet", *(f"--{name.replace('_', '-')}={value}" for name, value in values.items())]
        for values in people
    ]
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS],
        input=json.dumps(commands),
        env=server.env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return [_said(*json.loads(line)) for line in done.stdout.splitlines()]


def _said(code: int, said: str) -> Outcome:
    assert code in (0, 4), said
    parts = said.removeprefix("populace: ").split(": ")
    return Outcome(parts[0], parts[1] if len(parts) > 2 else "") if code else Outcome("")


def import_csv(server: Installation, people: Sequence[dict[str, str]]) -> list[Outcome]:
    path = server.var / f"people{next(_numbers)}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, sorted({name for values in people for name in values}))
        writer.writeheader()
        writer.writerows(people)
    return _imported(server, path, len(people))


def import_keycloak(server: Installation, people: Sequence[dict[str, str]]) -> list[Outcome]:
    names = {"username": "username", "email": "email", "first_name": "firstName", "external_id": "id"}
    users = [{names[name]: value for name, value in values.items()} for values in people]
    path = server.var / f"realm{next(_numbers)}.json"
    path.write_text(json.dumps({"realm": "r", "users": users}))
    return _imported(server, path, len(people))


def import_jsonl(server: Installation, people: Sequence[dict[str, str]]) -> list[Outcome]:
    path = server.var / f"people{next(_numbers)}.jsonl"
    path.write_text("".join(f"{json.dumps(values)}\n" for values in people))
    return _imported(server, path, len(people))


def import_kratos(server: Installation, people: Sequence[dict[str, str]]) -> list[Outcome]:
    identities = [
        {
            "external_id": values.get("external_id"),
            "traits": {name: value for name, value in values.items() if name != "external_id"},
        }
        for values in people
    ]
    path = server.var / f"identities{next(_numbers)}.json"
    path.write_text(json.dumps(identities))
    return _imported(server, path, len(people))


def _imported(server: Installation, path: Path, count: int) -> list[Outcome]:
    """Import a file in which every conflict is a bad row."""
    arguments = [POPULACE, "import", str(path), "--on-conflict", "fail", "--json"]
    done = subprocess.run(arguments, env=server.env, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode in (0, 3), done.stderr
    *bad, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert summary["done"] + summary["failed"] + summary["skipped"] == count
    faults = {row["row"]: Outcome(row["code"], _field(row["reason"])) for row in bad}
    return [faults.get(number, Outcome("")) for number in range(1, count + 1)]


def _field(reason: str) -> str:
    named = re.match(r"(\w+): ", reason)
    return named[1] if named else ""


def in_a_cell(text: str) -> bool:
    """Tell whether a cell of our CSV holds it as it is: blanks around a cell are cut, and an empty one is no value."""
    return bool(text) and text == text.strip() and "\0" not in text


DOORS = [
    Door("REST create", rest_create),
    Door("REST batch", rest_batch, lambda text: "\0" not in text),  # strict JSON: one NUL, and the body is none
    Door("PATCH", rest_patch),
    Door("command line", command, lambda text: "\0" not in text and bool(text)),
    Door("import CSV", import_csv, in_a_cell),
    Door("import JSON Lines", import_jsonl, bool),
    Door("import Keycloak", import_keycloak, bool),
    Door("import Kratos", import_kratos, bool),
]


def ready(server: Installation) -> Installation:
    """Make the person whom PATCH changes; before a test takes the digest of the tables."""
    made = server.http.post(USERS, json={"external_id": f"victim-{next(_numbers)}"})
    assert made.status_code == 201, made.text
    server.victim = made.json()["id"]
    return server
