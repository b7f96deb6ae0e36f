"""RQ on Redis: a job is named for the row that it is about, and nothing else of it is read."""

import threading
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from redis import Redis, RedisError
from rq import Queue, SimpleWorker
from rq.job import Job
from rq.worker import WorkerStatus

from populace.infra.tasks.engines import base

FUNCTION = "populace.run"  # shown in RQ's tools; there is no such module


class Engine(base.Broker):
    """RQ's queues, and its worker without the part that imports and calls what a job names."""

    errors = (RedisError, OSError)

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.redis = Redis.from_url(url, socket_connect_timeout=4, socket_timeout=10)

    def queue(self, lane: str) -> Queue:
        """Return the queue of a lane."""
        return Queue(f"populace:{lane}", connection=self.redis, serializer="json")

    def send(self, lane: str, ids: Sequence[UUID]) -> None:
        """Make a job for each id, all in one round trip."""
        jobs = [Queue.prepare_data(FUNCTION, job_id=str(id), result_ttl=0) for id in ids]
        self.queue(lane).enqueue_many(jobs)

    def waiting(self, lane: str) -> int:
        """Return the length of the lane's queue."""
        return self.queue(lane).count

    def consume(self, lane: str, stop: threading.Event) -> None:
        """Be an RQ worker that runs one job after another in this very process."""
        worker = Worker([self.queue(lane)], connection=self.redis, serializer="json", log_job_description=False)
        worker.stop = stop
        worker.work(logging_level="WARNING")


class Worker(SimpleWorker):
    """Runs rows. A job's function, arguments and callbacks are import paths out of Redis: none is followed."""

    stop: threading.Event
    max_connection_wait_time = 5.0

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run the row that the job is named for, and forget the job."""
        with self.connection.pipeline() as pipeline:
            self.set_state(WorkerStatus.BUSY, pipeline)  # or SIGTERM would break off what runs
            pipeline.lrem(queue.intermediate_queue_key, 1, job.id)
            pipeline.delete(job.key)
            pipeline.execute()
        base.deliver(job.id, self.stop)

    def run_maintenance_tasks(self) -> None:
        """Clean nothing up: RQ would call the failure callbacks of jobs that it thinks were abandoned."""

    def request_stop(self, signum: Any, frame: Any) -> None:
        """Let the row in hand come to rest, then end."""
        threading.Thread(target=self.stop.set).start()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]
