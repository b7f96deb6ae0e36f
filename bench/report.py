"""The benches' page: one table, the ratios by which Populace is judged, and what machine it was."""

import platform
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

import psycopg

from bench.cases import Case
from bench.stage import CORES, Stage
from bench.wrk import CONNECTIONS, Sample, middle

RESULTS = Path(__file__).parent / "results"
HEAD = ["case", "server", "requests/s", "CPU µs server", "CPU µs database", "p50 ms", "p99 ms", "requests a sample"]

Results = Mapping[tuple[str, str], list[Sample]]


def aligned(rows: list[list[str]], texts: int = 2) -> str:
    """Return a Markdown table that also reads well on a terminal; the first `texts` columns left, numbers right."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = [
        [
            cell.ljust(width) if n < texts else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    ]
    rule = ["-" * w if n < texts else "-" * (w - 1) + ":" for n, w in enumerate(widths)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], rule, *lines[1:]])


def table(cases: list[Case], results: Results) -> str:
    """Return the medians of all rounds."""
    rows = [HEAD]
    for case in cases:
        for server in case.paths:
            m = middle(results[case.name, server])
            figures = [f"{m.per_second:,.0f}", f"{m.server_us:,.0f}", f"{m.database_us:,.0f}"]
            rows.append([case.name, server, *figures, f"{m.p50_ms:.1f}", f"{m.p99_ms:.1f}", f"{m.requests:,.0f}"])
    return aligned(rows)


def spread(values: list[float]) -> str:
    """Return the median and, in brackets, the smallest and the largest."""
    digits = 1 if median(values) >= 2 else 2
    return f"{median(values):.{digits}f} [{min(values):.{digits}f}-{max(values):.{digits}f}]"


WHOSE = {"newcomer": "the newcomer's", "naive": "naive's", "limit": "the limit's"}


def ratio(case: Case, results: Results, server: str) -> str:
    """Return one line: Populace against `server`, round by round, so that a slow minute touches both alike."""
    pairs = list(zip(results[case.name, server], results[case.name, "populace"], strict=True))
    cpu = [other.total_us / own.total_us for other, own in pairs]
    speed = [own.per_second / other.per_second for other, own in pairs]
    goal = case.goals.get(server)
    verdict = "" if goal is None else f", goal {goal:g}: {'reached' if median(cpu) >= goal else 'MISSED'}"
    what = f"{WHOSE[server]} CPU by Populace's"
    least = case.speeds.get(server)
    of = "" if least is None else f", goal {least:g}: {'reached' if median(speed) >= least else 'MISSED'}"
    return f"- {case.name}: {what} {spread(cpu)}{verdict}; requests/s {spread(speed)} of {WHOSE[server]}{of}"


def growth(case: Case, results: Results, server: str) -> str | None:
    """Return one line: what a case costs by what the one it must not exceed by much does; None without both."""
    other, most = case.at_most or ("", 0)
    if not results.get((other, server)):
        return None
    pairs = zip(results[case.name, server], results[other, server], strict=True)
    cpu = [own.total_us / before.total_us for own, before in pairs]
    goal = f", goal at most {most:g}: {'reached' if median(cpu) <= most else 'MISSED'}"
    verdict = goal if server == "populace" else ""
    whose = WHOSE.get(server, "Populace's")
    return f"- {case.name}: {whose} CPU by {whose} of {other} {spread(cpu)}{verdict}"


def ratios(cases: list[Case], results: Results) -> str:
    """Return every case's ratios, CPU of server and database together."""
    lines = [ratio(case, results, server) for case in cases for server in case.paths if server != "populace"]
    lines += filter(None, [growth(case, results, server) for case in cases for server in case.paths])
    return "\n".join(lines)


def facts(stage: Stage) -> str:
    """Return what the figures depend on: processor and versions; nothing that tells whose machine it is."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    with psycopg.connect(stage.urls["populace"]) as connection:
        server = connection.execute("SHOW server_version").fetchone()
    wrk = re.search(r"[\d.]+", subprocess.run(["wrk", "-v"], capture_output=True, text=True).stdout)
    packages = ", ".join(f"{name} {version(name)}" for name in ("django", "djangorestframework", "granian", "psycopg"))
    database = str(server[0]).partition(" ")[0] if server else "?"
    return (
        f"{len(CORES)} cores of {model[1] if model else platform.machine()}; Python {platform.python_version()}, "
        f"{packages}, PostgreSQL {database}, wrk {wrk[0] if wrk else '?'}"
    )


def page(cases: list[Case], results: Results, *, rows: int, rounds: int, seconds: int, facts: str) -> str:
    """Return the whole report as Markdown."""
    others = median(sample.others for samples in results.values() for sample in samples)
    return f"""{rows:,} people; {rounds} rounds of {seconds} s, order reversed each round; {CONNECTIONS} connections.
One granian process each, with one thread unless the case says two. Servers on the first core, PostgreSQL and wrk on
the second. Medians.

{table(cases, results)}

CPU of server and database together; median [lowest-highest] of the rounds:

{ratios(cases, results)}

{facts}. Strangers used {others:.0%} of the machine (median).
"""


def save(text: str, name: str) -> Path:
    """Write the report to bench/results/<date>-<name>.md and return the file."""
    today = datetime.now(UTC).date()
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{today}-{name}.md"
    file.write_text(f"# {today}, {name}\n\n{text}")
    return file.relative_to(RESULTS.parent.parent)
