"""A web server whose processes kill themselves when a request asks: after the answer is made, before it is sent.

    python -c "from tests.support.dying import serve; serve()"

And a worker that kills itself after the first mail, before it has marked the task as done; `work()` likewise.
Everything else is the real thing: `populace serve` with one more layer around the WSGI application, `populace worker`.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import django

from populace.cli import main, serving

LEASE_S = 2
"""Of what the worker holds when it dies: 60 in the real one."""

HEADER = "X-Test-Die"
load_real_application = serving.load_application


def load() -> Callable[..., Any]:
    """Return the application in its layer; runs in each web process."""
    answer = load_real_application()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        reply = answer(environ, start_response)  # by now the verb has committed
        if "HTTP_X_TEST_DIE" in environ:
            os.kill(os.getpid(), signal.SIGKILL)
        return reply

    return application


def serve() -> None:
    """Serve as `populace serve` does."""
    serving.load_application = load
    serving.serve(None)


def work() -> None:
    """Work as `populace worker` does, up to the end of the first welcome mail."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from populace.infra.tasks import queue, run

    finish = run._finish

    def die(row: Any, value: Any) -> None:
        if row.name == "populace.users.tasks.welcome":
            os.kill(os.getpid(), signal.SIGKILL)
        finish(row, value)

    queue.LEASE_S, run._finish = LEASE_S, die
    sys.argv = ["populace", "worker"]
    main()
