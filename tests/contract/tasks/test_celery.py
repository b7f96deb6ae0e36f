"""A broker that is there and does not take what the poll sends: the poll gets an error that it knows, and goes on."""

import os
import signal
from uuid import uuid4

import pytest

from populace.infra.tasks.engines import celery
from tests.contract.tasks.conftest import WHY, engines

pytestmark = [
    pytest.mark.only_on("postgresql", WHY),
    pytest.mark.parametrize("engine_name", engines("celery+amqp"), indirect=True, scope="module"),
    pytest.mark.timeout(180),
]


@pytest.fixture
def engine(broker):
    """The engine as in the process that polls, with an id sent."""
    made = celery.Engine(broker.url())
    made.send("default", [uuid4()])
    yield made
    made.app.close()


def test_f29_a_broker_that_stands_still_is_away(engine, broker, monkeypatch):
    """Guard: populace/infra/tasks/engines/celery.py:Engine.send (SEND_S)."""
    monkeypatch.setattr(celery, "SEND_S", 1)
    os.killpg(broker.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(engine.errors):
            engine.send("default", [uuid4()])
    finally:
        os.killpg(broker.process.pid, signal.SIGCONT)


def test_f29_a_queue_that_somebody_has_made_otherwise_is_as_a_broker_that_is_away(engine):
    """Guard: populace/infra/tasks/engines/celery.py:Engine (refusals)."""
    with engine.app.connection_for_write() as connection:
        connection.default_channel.queue_declare("populace.mail", durable=False, auto_delete=True)
        with pytest.raises(engine.errors):
            engine.send("mail", [uuid4()])
