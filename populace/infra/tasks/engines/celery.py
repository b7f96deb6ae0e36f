"""Celery, with Redis or RabbitMQ: one task, whose argument is a row's id."""

import os
import socket
import threading
from collections.abc import Sequence
from uuid import UUID

from amqp.exceptions import ChannelError, MessageNacked
from celery import Celery, signals
from kombu.exceptions import OperationalError

from populace.infra.tasks.engines import base

TASK, QUEUE = "populace.run", "populace."  # and the name of a lane
SETTINGS = {
    "accept_content": ["json"],  # never a pickle
    "task_serializer": "json",
    "task_ignore_result": True,
    "task_publish_retry": False,  # what is not sent stays due
    "task_default_delivery_mode": "transient",  # RabbitMQ would write each id to disk before it confirms it
    "worker_prefetch_multiplier": 4,  # with 1 RabbitMQ pauses before each; what a dead worker held is sent again
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    "broker_connection_timeout": 4,  # seconds
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_heartbeat": 0,  # a task may keep the process busy for longer than RabbitMQ would wait
}
REDIS = {"socket_timeout": 10, "socket_connect_timeout": 4}  # seconds
RABBITMQ = {"confirm_publish": True}  # or an id could be lost on its way, and be missed only when it is overdue

SEND_S = 10  # seconds to send an id and have it confirmed: a broker in need of memory says nothing, for hours


class Engine(base.Broker):
    """A message is acknowledged as soon as it is here: the row's lease brings back what dies afterwards."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.app = Celery("populace", broker=url, set_as_current=False)
        self.app.conf.update(SETTINGS)
        refusals = (ChannelError, MessageNacked)  # another kind of queue has the name, or it is full
        self.errors = (OperationalError, OSError, *refusals, *self.app.connection_for_write().connection_errors)
        self.app.conf.broker_transport_options = REDIS if url.startswith("redis") else RABBITMQ

    def send(self, lane: str, ids: Sequence[UUID]) -> None:
        """Publish one message for each id."""
        limits = {"timeout": SEND_S, "confirm_timeout": SEND_S}
        with self.app.producer_pool.acquire(block=True) as producer:
            try:
                for id in ids:
                    self.app.send_task(TASK, [str(id)], queue=QUEUE + lane, producer=producer, **limits)
            except self.errors:
                producer.connection.collect()  # or the pool would take leave of the broker, and wait for its answer
                raise

    def waiting(self, lane: str) -> int:
        """Ask for the length of the lane's queue; one that nobody has made yet is empty."""
        with self.app.connection_for_read() as connection:
            connection.ensure_connection(max_retries=1)
            try:
                return int(connection.default_channel.queue_declare(QUEUE + lane, passive=True).message_count)
            except ChannelError:
                return 0

    def consume(self, lane: str, stop: threading.Event) -> None:
        """Be a Celery worker that runs one message after another in this very process."""

        @self.app.task(name=TASK)  # type: ignore[untyped-decorator]
        def run(id: object) -> None:
            base.deliver(id, stop)

        @signals.worker_shutting_down.connect(weak=False)  # type: ignore[untyped-decorator]
        def end(**_: object) -> None:  # a thread, since in a signal's handler set() could wait for what it interrupts
            threading.Thread(target=stop.set).start()

        name = f"{lane}-{os.getpid()}@{socket.gethostname()}"  # of which RabbitMQ allows one at a time
        options = {"without_mingle": True, "without_gossip": True, "quiet": True}
        self.app.Worker(queues=[QUEUE + lane], hostname=name, pool="solo", concurrency=1, **options).start()
