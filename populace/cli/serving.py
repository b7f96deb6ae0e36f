"""`populace serve`: web processes (granian, WSGI)."""

import multiprocessing
import signal
from collections.abc import Callable
from typing import Any

from populace.cli.directory import set_up
from populace.cli.output import CANNOT_RUN, Failure
from populace.cli.processes import die_with_parent, refuse_taken_port

LOOPBACK = ("127.0.0.1", "localhost", "::1")
BACKLOG = 1024  # connections the kernel keeps for a process that is busy
CONNECTIONS = 1024  # a process takes at once; an idle kept-alive connection counts, so fewer would lock clients out
DRAIN_S = 7  # seconds for requests in hand: a statement may take 5 (design section 4)
HEAD_S = 10  # seconds a connection may take for a request's head, its waiting for one included; then it is closed
LOGGING = {"formatters": {}, "handlers": {}, "loggers": {"_granian": {"propagate": True}}}  # ours writes the lines


def serve(host: str | None) -> None:
    """Serve the API until SIGTERM or SIGINT, then finish the requests in hand; a dead web process is replaced.

    `host` defaults to loopback in local mode, which allows nothing else, and to every address in production.
    """
    set_up()
    from django.conf import settings
    from django.urls import get_resolver
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels
    from granian.server import Server

    address = host or ("127.0.0.1" if settings.LOCAL else "0.0.0.0")  # noqa: S104 (a container's port is published)
    if settings.LOCAL and address not in LOOPBACK:
        raise Failure(CANNOT_RUN, "POPULACE_MODE: local mode serves on loopback only")
    refuse_taken_port(address, settings.PORT)
    get_resolver().url_patterns  # noqa: B018 (loads all views before the fork: a new web process answers in 50 ms)
    server = Server(
        "config.wsgi:application",
        address=address,
        port=settings.PORT,
        interface=Interfaces.WSGI,
        workers=settings.WEB_PROCESSES,
        blocking_threads=settings.WEB_THREADS,
        backlog=BACKLOG,
        backpressure=CONNECTIONS,
        http=HTTPModes.http1,  # "auto" waits without end for the first byte that would tell HTTP/1 from HTTP/2
        http1_settings=HTTP1Settings(header_read_timeout=HEAD_S * 1000),
        respawn_failed_workers=True,
        workers_kill_timeout=DRAIN_S,
        log_level=LogLevels.warning,
        log_dictconfig=LOGGING,
    )
    server.serve(target_loader=load_application, wrap_loader=False)


def load_application() -> Callable[..., Any]:
    """Return the WSGI application; runs in each web process, which from here on dies with granian's parent."""
    for number in (signal.SIGTERM, signal.SIGINT):
        # What the fork has left here would swallow an order to stop until granian's own handlers are in place.
        signal.signal(number, signal.SIG_DFL)
    if parent := multiprocessing.parent_process():
        die_with_parent(parent.pid or 0)
    from config.wsgi import application
    from populace.credentials import usage

    usage.start()
    return application
