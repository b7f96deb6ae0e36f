"""`make bench-peers`: Populace beside fastapi-users, djoser and better-auth. See docs/reference/bench.md.

From the environment: ROWS (people, 100,000), ROUNDS (5), SECONDS (of a sample, 2), SAVE (peers).
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree

import psycopg

from bench.cases import Case
from bench.peers import report
from bench.peers.projects import CREATE, GET, HASHED, LIST, POPULACE, PROJECTS, Project, Request
from bench.report import facts, save
from bench.run import ask, number
from bench.stage import Server, Stage, on_cores, say, stage, start_server
from bench.wrk import Sample, need_wrk, sample
from tests.support.ports import free_port
from tests.support.processes import ROOT, environment, start

HASHED_S = 5
"""Seconds of a sample, at least, where each request takes tenths of one."""

HASHING = " with hashing"
"""What the name of a second server of a project ends with: the one that hashes passwords."""

CLIENTS = ("npm_config_", "uv_", "pip_")
"""How variables begin that tell package clients where this machine gets packages."""


@dataclass
class Asked:
    """One request to one server: what it is, its paths, how long an answer is, and what was measured."""

    name: str
    server: Server
    request: Request
    paths: Path
    bytes: int = 0
    samples: list[Sample] = field(default_factory=list)

    @property
    def case(self) -> Case:
        return Case(self.name, self.request.method, self.request.status, {}, body=self.request.body)

    @property
    def who(self) -> str:
        return self.server.name.removesuffix(HASHING)


def install(project: Project, folder: Path) -> str:
    """Install a project's packages into a folder; return what went wrong, if anything did."""
    copytree(project.files, folder)
    kept = {name: os.environ[name] for name in os.environ if name.lower().startswith(CLIENTS)}
    for command in project.install:
        words = [word.format(uv=ROOT / ".uv/bin/uv", python=sys.executable) for word in command]
        try:
            done = subprocess.run(words, cwd=folder, env=environment(**kept), capture_output=True, text=True)
        except OSError as error:
            return f"`{' '.join(command)}`: {error.strerror}"
        if done.returncode:
            return f"`{' '.join(command)}` ended with {done.returncode}"  # its words may name a registry
    return ""


def open_up(stage: Stage, project: Project, folder: Path) -> str:
    """Make a project's database, its token and its people; return what went wrong, if anything did."""
    url = stage.urls[project.name] = stage.postgresql.create(project.folder)
    variables = {key: value.format(port=free_port()) for key, value in project.variables.items()}
    env = environment(DATABASE_URL=url, **variables)
    done = subprocess.run(project.prepare, cwd=folder, env=env, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return f"`{' '.join(project.prepare)}` ended with {done.returncode}"
    token = done.stdout.split()[-1]
    for name in (project.name, project.name + HASHING):
        stage.urls[name], stage.authorizations[name] = url, f"{project.scheme} {token}"
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in project.fill:
            connection.execute(statement.format(rows=stage.rows))
        connection.execute("VACUUM (ANALYZE)")
    return ""


def serve(stage: Stage, project: Project, folder: Path, *, hashing: bool) -> Server:
    """Start one server of a project."""
    name, port = project.name + (HASHING if hashing else ""), free_port()
    values = project.variables | ({} if hashing else project.plain)
    env = {key: value.format(port=port) for key, value in values.items()}
    log = stage.folder / f"{name}.log"
    command = [word.format(port=port) for word in project.serve]
    with log.open("wb") as file:
        env |= {"DATABASE_URL": stage.urls[name]}
        process = start(command, environment(**env), cwd=folder, stdout=file, stderr=file)
    return Server(name, port, process, log)


@contextmanager
def everybody(stage: Stage, failed: dict[str, str]) -> Iterator[list[Server]]:
    """Install, fill and start all projects and Populace; what could not be installed is told in `failed`."""
    servers = [start_server(stage, "populace")]
    with ExitStack() as stack:
        stack.enter_context(on_cores(stage, servers))
        for project in PROJECTS:
            folder = stage.folder / project.folder
            if fault := install(project, folder) or open_up(stage, project, folder):
                failed[project.name] = fault
                say(f"{project.name}: left out: {fault}")
                continue
            own = [serve(stage, project, folder, hashing=False)]
            own += [serve(stage, project, folder, hashing=True)] if project.plain else []
            servers += stack.enter_context(on_cores(stage, own))
            say(f"{project.name}: ready")
        yield servers


def requests_of(server: Server) -> dict[str, Request]:
    """Return what a server is asked: whoever can leave hashing out has another server for it."""
    if server.name == "populace":
        return POPULACE
    project = next(project for project in PROJECTS if server.name.startswith(project.name))
    if server.name.endswith(HASHING):
        return {HASHED: project.requests[HASHED]}
    return {name: request for name, request in project.requests.items() if name != HASHED or not project.plain}


def prepared(stage: Stage, servers: list[Server], names: list[str]) -> list[Asked]:
    """Return what is asked of whom, each with its paths and the length of an answer."""
    found = []
    for name in names:
        for server in servers:
            if (request := requests_of(server).get(name)) is None:
                continue
            paths = stage.folder / f"{name}.{server.name}.paths".replace(" ", "-")
            with psycopg.connect(stage.urls[server.name]) as connection:
                paths.write_text("".join(f"{path}\n" for (path,) in connection.execute(request.paths)))
            asked = Asked(name, server, request, paths)
            answer = ask(stage, server, asked.case, paths.read_text().partition("\n")[0])
            asked.bytes = report.length(answer)
            found.append(asked)
    return found


def measure(stage: Stage, asked: list[Asked], rounds: int, seconds: int) -> None:
    """Warm up, then take a sample of each in turn, in the other order each time."""
    for turn in range(rounds + 1):
        for one in asked if turn % 2 else reversed(asked):
            prefix = f"{secrets.token_hex(5)}x"
            length = max(HASHED_S, seconds) if one.name == HASHED else seconds if turn else 1
            got = sample(stage, one.server, one.case, one.paths, length, prefix)
            one.samples += [got] if turn else []
        say(f"{asked[0].name} …: " + (f"round {turn} of {rounds} done" if turn else "warmed up"))


def main() -> None:
    need_wrk()
    rows, rounds, seconds = number("ROWS", 100_000), number("ROUNDS", 5), number("SECONDS", 2)
    failed: dict[str, str] = {}
    with stage(rows, naive=False) as made, everybody(made, failed) as servers:
        done = []
        for names in ([GET, LIST], [CREATE, HASHED]):  # new people come after all reading
            asked = prepared(made, servers, names)
            measure(made, asked, rounds, seconds)
            done += asked
        told = f"{facts(made)}; {report.versions()}"
        text = report.page(done, failed, rows=rows, rounds=rounds, seconds=seconds, told=told)
    print(text)
    say(f"written to {save(text, os.environ.get('SAVE') or 'peers')}")


if __name__ == "__main__":
    main()
