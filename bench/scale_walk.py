"""Walking all pages of a list while other processes write: whoever nobody touches is shown exactly once, in order."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import connection

from bench.scale_lists import people_of
from bench.scale_pages import PATH, Asker, Place
from bench.scale_people import TOUCHED
from bench.stage import Stage
from populace.users.lists import listing_of
from tests.support.processes import start

WRITERS = 2
LIMIT = 200
FIRST = Place("first", (), ())


@dataclass
class Walked:
    """What a walk has seen: pages, people, those whom nobody touched, and of these how many were not shown once."""

    what: str
    pages: int = 0
    shown: int = 0
    untouched: int = 0
    skipped: int = 0
    doubled: int = 0
    disordered: bool = False
    seconds: float = 0
    writes: Counter[str] = field(default_factory=Counter)

    @property
    def fault(self) -> str:
        """Return what is wrong, if anything."""
        wrong = self.skipped or self.doubled or self.disordered
        return f"{self.skipped} skipped, {self.doubled} doubled, disordered: {self.disordered}" if wrong else ""


def walk(asker: Asker, stage: Stage, parameters: dict[str, str]) -> Walked:
    """Walk a list from its first page to its last one while WRITERS processes write."""
    found, shown = Walked(" ".join(f"{name}={value}" for name, value in parameters.items())), list[str]()
    untouched = undisturbed(parameters)
    with writing(stage, found.writes):
        began = time.monotonic()
        path = asker.url(PATH, {**parameters, "limit": str(LIMIT), "fields": "id"}, FIRST)
        while path:
            body = asker.client.get(path).json()
            shown += [person["id"] for person in body["results"]]
            path, found.pages = body["next"], found.pages + 1
        found.seconds = time.monotonic() - began
    times, those = Counter(shown), set(untouched)
    found.shown, found.untouched = len(shown), len(untouched)
    found.skipped = len(those - times.keys())
    found.doubled = sum(times[id] > 1 for id in those)
    found.disordered = not found.fault and [id for id in shown if id in those] != untouched
    return found


def undisturbed(parameters: dict[str, str]) -> list[str]:
    """Return the people of a list whom no writer touches, in its order."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM users_user WHERE {TOUCHED}")
        touched = {str(id) for (id,) in cursor.fetchall()}
    everybody = people_of(listing_of(parameters)).values_list("id", flat=True)
    return [str(id) for id in everybody.iterator(chunk_size=20_000) if str(id) not in touched]


@contextmanager
def writing(stage: Stage, writes: Counter[str]) -> Iterator[None]:
    """Hold a block during which other processes write; `writes` counts what they did."""
    env = stage.environment_of("populace")
    command = [sys.executable, "-m", "bench.scale_writer"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    writers = [start([*command, str(turn), str(WRITERS)], env, **pipes) for turn in range(WRITERS)]
    try:
        for writer in writers:
            assert writer.stdout
            if not writer.stdout.readline():
                raise RuntimeError("a writer has ended")
        yield
    finally:
        printed = [writer.communicate()[0] for writer in writers]
    if any(writer.returncode for writer in writers):
        raise RuntimeError(f"a writer has failed: {[writer.returncode for writer in writers]}")
    for text in printed:
        writes.update(json.loads(str(text)))
