"""What orchestrators and Prometheus ask."""

import json
from typing import Any

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from rest_framework.request import Request

from populace.api.problems import KINDS, Problem
from populace.api.views import JSON, LeanView
from populace.audit.models import Event
from populace.infra.db.partitions import missing_months
from populace.infra.telemetry.scrape import exposition

_migrated = False  # once true it stays so: a process never outlives a migration back


def livez(request: HttpRequest) -> HttpResponse:
    """Answer 200 while this process serves at all; whatever else is wrong, a restart would not help."""
    return _probe(request) or HttpResponse(b'{"status":"ok"}', content_type=JSON)


def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 where a request could be served: the database answers and has all migrations; else 503.

    `degraded`: everything is served, but somebody should look.
    """
    if refused := _probe(request):
        return refused
    try:
        if not _is_migrated():
            return Problem("unavailable", "The database lacks migrations: populace migrate.").reply(request)
        missing = missing_months(Event)
    except Error:
        return Problem("unavailable", "The database does not answer.").reply(request)
    if missing:
        reasons = [f"no partition {name}" for name in missing]
        return HttpResponse(json.dumps({"status": "degraded", "reasons": reasons}), content_type=JSON)
    return HttpResponse(b'{"status":"ok"}', content_type=JSON)


def _probe(request: HttpRequest) -> HttpResponse | None:
    if request.method in ("GET", "HEAD"):
        return None
    return Problem("method_not_allowed", headers={"Allow": "GET, HEAD"}).reply(request)


def _is_migrated() -> bool:
    global _migrated
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    if not _migrated:
        executor = MigrationExecutor(connection)
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _migrated


class Metrics(LeanView):
    """All processes of this machine in one scrape; open in local mode only."""

    scopes = {"GET": "metrics:read"}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let everybody in where the server listens on loopback alone."""
        if not settings.LOCAL:
            super().initial(request, *args, **kwargs)

    def get(self, request: Request) -> HttpResponse:
        """Return the metrics in Prometheus' text format."""
        return HttpResponse(exposition(settings.METRICS_DIR), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def problem_page(request: HttpRequest, code: str) -> HttpResponse:
    """Return what a problem's `type` names: the code in words."""
    if (kind := KINDS.get(code)) is None:
        return Problem("not_found").reply(request)
    text = f"{kind.title} ({code}, status {kind.status})\n\n{kind.page}\n"
    return _probe(request) or HttpResponse(text, content_type="text/plain; charset=utf-8")
