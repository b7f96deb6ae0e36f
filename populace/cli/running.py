"""`populace up`: prepare, then supervise."""

import socket

from populace.cli.directory import directory
from populace.cli.output import note, progress
from populace.cli.processes import refuse_taken_port, sole_supervisor
from populace.cli.supervisor import supervise

HOST = "127.0.0.1"
COMMANDS = {"web": ["serve", "--host", HOST], "worker": ["worker"]}


def run() -> None:
    """Hold the var folder, prepare everything, serve until a signal. Raises Failure where it cannot begin."""
    with directory():
        from django.conf import settings
        from django.db import connections

        from populace.cli import first_start

        with sole_supervisor(settings.VAR_DIR):
            refuse_taken_port(HOST, settings.PORT)
            with progress("demo people", as_json=False) as report:
                credentials = first_start.prepare(report)
            connections.close_all()

            def ready() -> bool:
                if answers(settings.PORT):
                    note(f"populace: http://{HOST}:{settings.PORT} (administrator and API token: {credentials})")
                    return True
                return False

            supervise(COMMANDS, ready)


def answers(port: int) -> bool:
    """Tell whether somebody accepts connections on the port."""
    try:
        socket.create_connection((HOST, port), timeout=0.2).close()
    except OSError:
        return False
    return True
