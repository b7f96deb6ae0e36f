"""`populace up`: prepare, then supervise."""

import signal
import socket
import threading
from pathlib import Path

from populace.cli.directory import directory
from populace.cli.output import note, progress
from populace.cli.processes import refuse_taken_port, sole_supervisor, stopped_by
from populace.cli.supervisor import supervise

HOST = "127.0.0.1"
COMMANDS = {"web": ["serve", "--host", HOST], "worker": ["worker"]}


def run() -> None:
    """Hold the var folder, prepare everything, serve until a signal. Raises Failure where it cannot begin."""
    stop = stopped_by(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    with directory():
        from django.conf import settings
        from django.db import connections

        with sole_supervisor(settings.VAR_DIR):
            refuse_taken_port(HOST, settings.PORT)
            credentials = _prepare(stop)
            connections.close_all()

            def ready() -> bool:
                if answers(settings.PORT):
                    note(f"populace: http://{HOST}:{settings.PORT} (administrator and API token: {credentials})")
                    return True
                return False

            supervise(COMMANDS, stop=stop, ready=ready)


def _prepare(stop: threading.Event) -> Path:
    """Do what precedes serving; raises KeyboardInterrupt between two batches of demo people once `stop` is set."""
    from populace.cli.first_start import prepare

    with progress("demo people", as_json=False) as report:

        def told(done: float) -> None:
            if stop.is_set():
                raise KeyboardInterrupt
            report(done)

        return prepare(told)


def answers(port: int) -> bool:
    """Tell whether somebody accepts connections on the port."""
    try:
        socket.create_connection((HOST, port), timeout=0.2).close()
    except OSError:
        return False
    return True
