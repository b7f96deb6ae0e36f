"""A web server whose processes kill themselves when a request asks: after the answer is made, before it is sent.

    python -c "from tests.support.dying import serve; serve()"

Everything else is the real thing: `populace serve` with one more layer around the WSGI application.
"""

import os
import signal
from collections.abc import Callable
from typing import Any

from populace.cli import serving

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
