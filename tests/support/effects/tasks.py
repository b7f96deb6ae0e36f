"""Tasks that write a line for each effect, and misbehave in every way."""

import os
import signal
import time

from django.conf import settings
from django.tasks import task

from populace.infra.tasks.current import Again, keep, stopping


def leave(effect: str) -> None:
    """Append a line; one write, so that no other process's line can stand in it."""
    with open(settings.VAR_DIR / "effects", "ab", buffering=0) as file:
        file.write(f"{effect}\n".encode())


def effects() -> list[str]:
    """Return what was left so far."""
    path = settings.VAR_DIR / "effects"
    return path.read_text().splitlines() if path.exists() else []


@task
def note(value: str) -> str:
    leave(value)
    return value


@task
def noted(event_id: str, subject_id: str) -> None:
    leave(subject_id)


@task
def nothing() -> None: ...


@task
def fails(value: str) -> None:
    leave(value)
    raise ValueError(value)


@task
def sleeps(value: str, seconds: float) -> None:
    leave(f"{value} begun")
    time.sleep(seconds)
    leave(f"{value} done")


@task
def dies_once(value: str, moment: str) -> None:
    """kill -9 of the process, at the first try: before the effect, or after it and before the row is marked."""
    first = f"{value} tried" not in effects()
    leave(f"{value} tried")
    if first and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    leave(value)
    if first and moment == "after":
        os.kill(os.getpid(), signal.SIGKILL)


@task
def aborts() -> None:
    os.abort()


@task
def runs_for_ever() -> None:
    while True:
        time.sleep(0.1)


@task
def rests(value: str) -> None:
    """Works until it is told to come to rest."""
    leave(f"{value} begun")
    while not stopping():
        keep(progressed=True)
        time.sleep(0.05)
    leave(f"{value} rests")
    raise Again
