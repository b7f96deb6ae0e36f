"""A real worker for each engine, kept over the tests that do not end it."""

from collections.abc import Iterator

import pytest

from tests.support.brokers import Broker, RabbitMQ, Redis
from tests.support.crew import Crew
from tests.support.missing import missing
from tests.support.postgresql import NotThere

BROKERS: dict[str, type[Broker] | None] = {
    "database": None,
    "celery+redis": Redis,
    "celery+amqp": RabbitMQ,
    "rq+redis": Redis,
    "q2+redis": Redis,
}
WHY = "between worker and broker nothing depends on the database's engine"


def engines(*names: str) -> list[object]:
    """Return parameters: the database engine on every database, the others on PostgreSQL."""
    marks = [pytest.mark.only_on("postgresql", WHY)]
    return [pytest.param(name, marks=marks if BROKERS[name] else []) for name in names]


ALL = engines(*BROKERS)
BROKERED = engines(*(name for name, broker in BROKERS.items() if broker))


@pytest.fixture(scope="module")
def broker(engine_name) -> Iterator[Broker | None]:
    """The broker of the engine under test; None where there is none."""
    kind = BROKERS[engine_name]
    try:
        made = kind() if kind else None
    except NotThere as reason:
        missing(str(reason))
    yield made
    if made:
        made.stop()


@pytest.fixture(scope="module")
def engine_name(request) -> str:
    """The engine under test: parametrize this one, indirectly."""
    return request.param


@pytest.fixture(scope="module")
def crew_of(engine_name, broker, tmp_path_factory, django_db_setup, django_db_blocker) -> Iterator[Crew]:
    """A database and a worker's settings; nothing runs yet."""
    url = f"{engine_name.partition('+')[0]}+{broker.url()}" if broker else "database://"
    made = Crew(tmp_path_factory.mktemp("crew"), django_db_blocker, url)
    yield made
    made.close()


@pytest.fixture
def crew(crew_of) -> Crew:
    """The same with a worker that runs, and no task left of earlier tests."""
    with crew_of.rows() as rows:
        rows.all().delete()
    if not crew_of.worker or crew_of.worker.poll() is not None:
        crew_of.start()
        crew_of.ready()
    return crew_of
