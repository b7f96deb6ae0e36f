"""`make bench`: Populace beside the naive project and the floor of Python, as one table. See docs/reference/bench.md.

From the environment: ROWS (people, 1,000,000), ROUNDS (5), SECONDS (of a sample, 3), CASES (names with commas between;
all), SAVE (unset: print only; a name, or 1: write bench/results/<date>-<name>.md as well).
"""

import json
import os
import secrets
import urllib.error
import urllib.request
from collections import defaultdict
from pathlib import Path

import psycopg

from bench import report
from bench.cases import CASES, Case
from bench.stage import Server, Stage, say, servers, stage
from bench.wrk import BadAnswer, Sample, need_wrk, sample

Results = dict[tuple[str, str], list[Sample]]
"""(case's name, server's name) to one sample per round."""


def number(name: str, default: int) -> int:
    """Return a whole number above 0 from the environment."""
    value = os.environ.get(name) or str(default)
    if not value.isdecimal() or not int(value):
        raise SystemExit(f"bench: {name} must be a whole number above 0")
    return int(value)


def chosen() -> list[Case]:
    """Return the cases that CASES names, or all."""
    names = [name.strip() for name in os.environ.get("CASES", "").split(",") if name.strip()]
    if unknown := set(names) - {case.name for case in CASES}:
        raise SystemExit(
            f"bench: CASES: no {', '.join(sorted(unknown))}; there are: {', '.join(c.name for c in CASES)}"
        )
    return [case for case in CASES if not names or case.name in names]


def write_paths(stage: Stage, case: Case) -> dict[str, Path]:
    """Ask each side's database for the paths of a case; return a file of them per server."""
    files = {}
    for side, query in ("populace", case.populace), ("naive", case.naive):
        with psycopg.connect(stage.urls[side]) as connection:
            paths = [path for (path,) in connection.execute(query)]
        files[side] = stage.folder / f"{case.name.replace(' ', '-')}.{side}.paths"
        files[side].write_text("\n".join(paths) + "\n")
    return files | {"limit": files["populace"]}


def ask(stage: Stage, server: Server, case: Case, path: str) -> dict[str, object]:
    """Send one request of a case and return the JSON of the answer; raises BadAnswer for any other status."""
    name = f"probe{secrets.token_hex(4)}"
    body = {"username": name, "email": f"{name}@example.com", "first_name": "Zoë", "last_name": "Nguyễn"}
    request = urllib.request.Request(server.url + path, method=case.method)
    request.add_header("Authorization", f"Bearer {stage.token}")
    if case.method != "GET":
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body).encode()
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    if status != case.status:
        raise BadAnswer(f"bench: {server.name}, {case.name}: {status} instead of {case.status}: {text[:500]!r}")
    return dict(json.loads(text))


def probe(stage: Stage, running: list[Server], case: Case, files: dict[str, Path]) -> None:
    """Check before measuring that every server answers, and that the floor answers as much as Populace."""
    answers = {}
    for server in running:
        if server.name in case.servers:
            answers[server.name] = ask(stage, server, case, files[server.name].read_text().partition("\n")[0])
    if {"populace", "limit"} <= answers.keys() and answers["populace"].keys() != answers["limit"].keys():
        differ = answers["populace"].keys() ^ answers["limit"].keys()
        raise BadAnswer(f"bench: {case.name}: Populace and the limit differ in {', '.join(sorted(differ))}")


def measure(stage: Stage, running: list[Server], cases: list[Case], rounds: int, seconds: int) -> Results:
    """Warm up, then go round: every case on every server, in the other order each time."""
    files = {case.name: write_paths(stage, case) for case in cases}
    for case in cases:
        probe(stage, running, case, files[case.name])
    results: Results = defaultdict(list)
    for turn in range(rounds + 1):  # the first one warms up: statements are compiled, pages read
        for case in cases:
            taking_part = [server for server in running if server.name in case.servers]
            for server in taking_part if turn % 2 else reversed(taking_part):
                prefix = f"{server.name[0]}{secrets.token_hex(4)}-"
                paths = files[case.name][server.name]
                got = sample(stage, server, case, paths, seconds if turn else 1, prefix)
                if turn:
                    results[case.name, server.name].append(got)
        say(f"round {turn} of {rounds} done" if turn else "warmed up")
    return results


def main() -> None:
    need_wrk()
    cases, rows, rounds, seconds = chosen(), number("ROWS", 1_000_000), number("ROUNDS", 5), number("SECONDS", 3)
    with stage(rows) as made, servers(made, ["naive", "populace", "limit"]) as running:
        results = measure(made, running, cases, rounds, seconds)
        text = report.page(cases, results, rows=rows, rounds=rounds, seconds=seconds, facts=report.facts(made))
    print(text)
    if name := os.environ.get("SAVE"):
        say(f"written to {report.save(text, 'bench' if name == '1' else name)}")


if __name__ == "__main__":
    main()
