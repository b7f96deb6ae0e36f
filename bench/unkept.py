"""Populace's settings with a connection for each request: closed when it ends, whoever would keep it."""

from typing import Any

from django.core.signals import request_finished
from django.db import connections

from config.settings import *  # noqa: F403


def close(**kwargs: Any) -> None:
    connection = connections["default"]
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]


request_finished.connect(close)
