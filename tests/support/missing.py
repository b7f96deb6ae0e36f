"""What a test does when the machine lacks a server it needs."""

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip the test because `what` is not there; with CI=true fail it, so that a green run has skipped no server."""
    reason = f"missing server: {what} (`script/services` brings it)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
