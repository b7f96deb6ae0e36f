"""The page about the other projects."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.peers.projects import CREATE, GET, HASHED, HERE, LIST, PROJECTS
from bench.report import aligned, spread
from bench.wrk import CONNECTIONS, middle

if TYPE_CHECKING:
    from bench.peers.run import Asked

HEAD = ["request", "project", "what it does", "requests/s", "CPU µs server", "CPU µs database", "p50 ms", "bytes"]


def length(answer: Mapping[str, Any]) -> int:
    """Return the length of an answer, spelt alike by everybody."""
    return len(json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode())


def table(asked: "Sequence[Asked]") -> str:
    """Return the medians of all rounds."""
    rows = [HEAD]
    for one in asked:
        m = middle(one.samples)
        figures = [f"{value:,.0f}" for value in (m.per_second, m.server_us, m.database_us)]
        rows.append([one.name, one.who, one.request.does, *figures, f"{m.p50_ms:.1f}", f"{one.bytes:,}"])
    return aligned(rows, texts=3)


def ratio(other: "Asked", own: "Asked") -> str:
    """Return one line: Populace beside another project, round by round."""
    pairs = list(zip(own.samples, other.samples, strict=True))
    speed = [mine.per_second / theirs.per_second for mine, theirs in pairs]
    cpu = [theirs.total_us / mine.total_us for mine, theirs in pairs]
    verdict = "ahead" if median(speed) > 1 else "BEHIND"
    whose = f"{other.who}'s"
    speeds = f"Populace's requests/s by {whose} {spread(speed)}: {verdict}"
    return f"- {own.name}: {speeds}; {whose} CPU by Populace's {spread(cpu)}"


def ratios(asked: "Sequence[Asked]") -> str:
    """Return a line for each request that Populace and another project serve."""
    own = {one.name: one for one in asked if one.who == "populace"}
    return "\n".join(ratio(one, own[one.name]) for one in asked if one.who != "populace" and one.name in own)


def missing(asked: "Sequence[Asked]", failed: Mapping[str, str]) -> str:
    """Return what could not be asked, and why."""
    lines = [f"- {name} is left out: {fault}" for name, fault in failed.items()]
    for name in (GET, LIST, CREATE, HASHED):
        served = {one.who for one in asked if one.name == name} | failed.keys()
        lines += [f"- {project.name} has no {name}" for project in PROJECTS if project.name not in served]
    lines.append("- Populace sets a password by a call of its own, so it has no such sign-up to compare")
    return "\n".join(lines)


def versions() -> str:
    """Return the versions that were measured."""
    pins = [line.split("==") for line in (HERE / "fastapi_users/requirements.txt").read_text().split()]
    pins += [line.split("==") for line in (HERE / "djoser/requirements.txt").read_text().split()]
    chosen = {name: version for name, version in pins if name in ("fastapi-users", "fastapi", "uvicorn", "djoser")}
    chosen |= json.loads((HERE / "better_auth/package.json").read_text())["dependencies"]
    asked = ["node", "--version"]
    node = subprocess.run(asked, capture_output=True, text=True).stdout.strip() if shutil.which("node") else "none"
    return ", ".join(f"{name} {version}" for name, version in (chosen | {"node": node}).items())


def page(
    asked: "Sequence[Asked]", failed: Mapping[str, str], *, rows: int, rounds: int, seconds: int, told: str
) -> str:
    """Return the whole report as Markdown."""
    others = median([sample.others for one in asked for sample in one.samples])
    return f"""{rows:,} people each, in databases of their own on one PostgreSQL; {rounds} rounds of {seconds} s, order
turned each round; {CONNECTIONS} connections. One process each: granian with one thread (Populace, djoser), uvicorn with
uvloop (fastapi-users), node (better-auth); all on the first core, PostgreSQL and wrk on the second.
Medians. `bytes`: of an answer, without blanks.

{table(asked)}

Median [lowest-highest] of the rounds:

{ratios(asked)}

Not compared:

{missing(asked, failed)}

{told}. Strangers used {others:.0%} of the machine (median).
"""
