"""What orchestrators and Prometheus ask."""

import json

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from rest_framework.request import Request

from populace.api.problems import Problem, only_read, problem_of
from populace.api.views import JSON, InternalView
from populace.audit.models import Event
from populace.infra.db.partitions import missing_months
from populace.infra.db.pool import PoolExhausted
from populace.infra.db.wire import answering
from populace.infra.telemetry.scrape import exposition

ANSWER_S = 2.0  # less than a request's statement gets: who asks wants to know it soon

_migrated = False  # once true it stays so: a process never outlives a migration back


def livez(request: HttpRequest) -> HttpResponse:
    """Answer 200 while this process serves at all; whatever else is wrong, a restart would not help."""
    return only_read(request) or HttpResponse(b'{"status":"ok"}', content_type=JSON)


def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 where a request could be served: the database answers and has all migrations; else 503.

    `degraded`: everything is served, but somebody should look.
    """
    if refused := only_read(request):
        return refused
    try:
        with answering(connection, ANSWER_S):
            if not _is_migrated():
                return Problem("unavailable", "The database lacks migrations: populace migrate.").reply(request)
            missing = missing_months(Event)
    except PoolExhausted as error:
        return problem_of(error).reply(request)
    except Error:
        return Problem("unavailable", "The database does not answer.").reply(request)
    if missing:
        reasons = [f"no partition {name}" for name in missing]
        return HttpResponse(json.dumps({"status": "degraded", "reasons": reasons}), content_type=JSON)
    return HttpResponse(b'{"status":"ok"}', content_type=JSON)


def _is_migrated() -> bool:
    global _migrated
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    if not _migrated:
        executor = MigrationExecutor(connection)
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _migrated


class Metrics(InternalView):
    """All processes of this machine in one scrape."""

    def get(self, request: Request) -> HttpResponse:
        """Return the metrics in Prometheus' text format."""
        return HttpResponse(exposition(settings.METRICS_DIR), content_type=CONTENT_TYPE_PLAIN_0_0_4)
