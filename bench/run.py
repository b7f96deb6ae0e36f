"""`make bench`: Populace beside the naive project and the floor of Python, as one table. See docs/reference/bench.md.

From the environment: ROWS (people, 1,000,000), ROUNDS (5), SECONDS (of a sample, 3), CASES (names with commas between;
all), SAVE (unset: print only; a name, or 1: write bench/results/<date>-<name>.md as well).
"""

import json
import os
import secrets
import sys
import urllib.error
import urllib.request
from collections import defaultdict
from pathlib import Path
from typing import Any

import psycopg

from bench import report
from bench.cases import CASES, CURSORS, Case
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
    """Have the paths of a case made for each of its servers; return a file of them per server."""
    files = {}
    for server, query in case.paths.items():
        if query == CURSORS:
            text = stage.run(server, [sys.executable, "-m", "bench.cursors", server])
        else:
            with psycopg.connect(stage.urls[server]) as connection:
                text = "".join(f"{path}\n" for (path,) in connection.execute(query))
        files[server] = stage.folder / f"{case.name.replace(' ', '-')}.{server}.paths"
        files[server].write_text(text)
    return files


def ask(stage: Stage, server: Server, case: Case, path: str) -> dict[str, Any]:
    """Send one request of a case and return the JSON of the answer; raises BadAnswer for any other status."""
    request = urllib.request.Request(server.url + path, method=case.method)
    request.add_header("Authorization", stage.authorization(server))
    if case.method != "GET":
        request.add_header("Content-Type", "application/json")
        request.data = case.body.replace("NAME", f"probe{secrets.token_hex(4)}").encode()
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    if status != case.status:
        raise BadAnswer(f"bench: {server.name}, {case.name}: {status} instead of {case.status}: {text[:500]!r}")
    return dict(json.loads(text))


def takes_part(server: Server, case: Case) -> bool:
    return server.name in case.paths and server.threads == case.threads


def probe(stage: Stage, running: list[Server], case: Case, files: dict[str, Path]) -> None:
    """Check before measuring that every server answers, and that the floor answers as much as Populace.

    Of a list: every server shows as many people, the floor the same as Populace, and naive's good view as much of each.
    """
    answers = {}
    for server in running:
        if takes_part(server, case):
            answers[server.name] = ask(stage, server, case, files[server.name].read_text().partition("\n")[0])
    populace, limit = answers["populace"], answers["limit"]
    if differ := populace.keys() ^ limit.keys():
        raise BadAnswer(f"bench: {case.name}: Populace and the limit differ in {', '.join(sorted(differ))}")
    lists = {name: answer["results"] for name, answer in answers.items() if "results" in answer}
    if len({len(people) for people in lists.values()}) > 1 or populace.get("results") != limit.get("results"):
        raise BadAnswer(f"bench: {case.name}: not the same people everywhere")
    if "naive" in lists and lists["naive"][0].keys() != lists["populace"][0].keys():
        raise BadAnswer(f"bench: {case.name}: naive's people have other members than Populace's")


def measure(stage: Stage, running: list[Server], cases: list[Case], rounds: int, seconds: int) -> Results:
    """Measure the cases that read, then those that write."""
    results: Results = defaultdict(list)
    # New people are in no group, and would be all that a list's first page holds.
    parts = [[case for case in cases if (case.method == "GET") is reads] for reads in (True, False)]
    for part in filter(None, parts):
        files = {case.name: write_paths(stage, case) for case in part}
        for case in part:
            probe(stage, running, case, files[case.name])
        go_round(stage, running, part, files, rounds, seconds, results)
    return results


def go_round(
    stage: Stage,
    running: list[Server],
    cases: list[Case],
    files: dict[str, dict[str, Path]],
    rounds: int,
    seconds: int,
    results: Results,
) -> None:
    """Warm up, then take every case on every server into `results`, in the other order each time."""
    for turn in range(rounds + 1):  # the first one warms up: statements are compiled, pages read
        for case in cases:
            taking_part = [server for server in running if takes_part(server, case)]
            for server in taking_part if turn % 2 else reversed(taking_part):
                prefix = f"{server.name[:2]}{secrets.token_hex(4)}-"
                paths = files[case.name][server.name]
                got = sample(stage, server, case, paths, seconds if turn else 1, prefix)
                if turn:
                    results[case.name, server.name].append(got)
        say(f"{', '.join(case.name for case in cases)}: " + (f"round {turn} of {rounds} done" if turn else "warmed up"))


def wanted(cases: list[Case]) -> list[tuple[str, int]]:
    """Return the servers that the cases need: name and threads."""
    return sorted({(server, case.threads) for case in cases for server in case.paths})


def main() -> None:
    need_wrk()
    cases, rows, rounds, seconds = chosen(), number("ROWS", 1_000_000), number("ROUNDS", 5), number("SECONDS", 3)
    with stage(rows) as made, servers(made, wanted(cases)) as running:
        results = measure(made, running, cases, rounds, seconds)
        text = report.page(cases, results, rows=rows, rounds=rounds, seconds=seconds, facts=report.facts(made))
    print(text)
    if name := os.environ.get("SAVE"):
        say(f"written to {report.save(text, 'bench' if name == '1' else name)}")


if __name__ == "__main__":
    main()
