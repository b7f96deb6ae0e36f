"""Django-Q2's queue on Redis: its broker and its signed packages.

Its cluster, tables, schedules and admin are not used: they would keep state, results and retries beside ours. Packages
are pickles, but signed with the secret key, and the signature is checked before one is opened.
"""

import threading
from collections.abc import Sequence
from functools import cache
from uuid import UUID

import structlog
from django_q.brokers.redis_broker import Redis
from django_q.signing import SignedPackage
from redis import RedisError

from populace.infra.tasks.engines import base
from populace.infra.tasks.outlasting import PAUSE_S

log = structlog.get_logger(__name__)


class Engine(base.Broker):
    """A list in Redis for each lane."""

    errors = (RedisError, OSError)

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.broker = cache(lambda lane: Redis(f"populace:{lane}"))  # where, it reads in settings.Q_CLUSTER

    def send(self, lane: str, ids: Sequence[UUID]) -> None:
        """Append a signed package for each id."""
        for id in ids:
            self.broker(lane).enqueue(SignedPackage.dumps({"id": str(id), "func": "populace.run"}))

    def waiting(self, lane: str) -> int:
        """Return the length of the lane's list."""
        return int(self.broker(lane).queue_size())

    def consume(self, lane: str, stop: threading.Event) -> None:
        """Take one package after another; while Redis is away, ask again and again."""
        while not stop.is_set():
            try:
                found = self.broker(lane).dequeue()
            except self.errors as error:
                log.error("task_broker_away", error=type(error).__name__)
                stop.wait(PAUSE_S[1])
                continue
            for _, package in found or ():
                base.deliver(_opened(package), stop)


def _opened(package: bytes) -> object:
    """Return the id in a package; None where it is none of ours."""
    try:
        return SignedPackage.loads(package.decode())["id"]
    except Exception:  # whatever a forged one runs into on its way to the signature
        return None
