"""`populace worker`: the poll, and beside it the lanes, as threads or, with a broker, as processes."""

import signal
import threading
from collections.abc import Callable, Sequence

from populace.cli.directory import set_up
from populace.cli.output import USAGE, Failure
from populace.cli.processes import stopped_by
from populace.cli.supervisor import supervise

LANES_STOP_S = 40  # seconds for the tasks in hand: a try to send a mail may take 30


def work(lane: str | None) -> None:
    """Dispatch events and run tasks until SIGTERM or SIGINT; the tasks in hand are finished first.

    `lane`: take this lane's tasks from the broker, and do nothing else.
    """
    stop = stopped_by(signal.SIGTERM, signal.SIGINT)
    set_up()
    from populace.audit import worker
    from populace.infra.tasks import limits
    from populace.infra.tasks.engines import chosen

    engine = chosen()
    limits.watch()
    if lane is not None:
        if lane not in engine.apart:
            raise Failure(USAGE, f"--lane: TASKS_URL has no lanes apart, or none of the name {lane}")
        engine.consume(lane, stop)
    elif engine.apart:
        _beside(stop, lambda: worker.work(stop, engine), engine.apart)
    else:
        worker.work(stop, engine)


def _beside(stop: threading.Event, poll: Callable[[], None], lanes: Sequence[str]) -> None:
    """Poll in a thread; this one, the main one, looks after a process for each lane."""
    from django.db import connections

    failures: list[BaseException] = []

    def polling() -> None:
        try:
            poll()
        except BaseException as failure:
            failures.append(failure)
        finally:
            stop.set()
            connections.close_all()

    thread = threading.Thread(target=polling, name="poll")
    thread.start()
    commands = {f"lane {lane}": ["worker", "--lane", lane] for lane in lanes}
    try:
        supervise(commands, stop=stop, ready=lambda: True, stop_s=LANES_STOP_S)
    finally:
        stop.set()
        thread.join()
    if failures:
        raise failures[0]
