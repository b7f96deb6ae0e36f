"""The only middleware: request id, host check, headers, one log line and one observation per request.

At most 40 µs. Session, cookie, CSRF, message and locale middleware have no business with the API.
"""

import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from prometheus_client import Histogram

from populace.api.problems import Problem
from populace.infra.telemetry.logs import bare_stream
from populace.infra.telemetry.metrics import HTTP_SECONDS, LOG_LINES_LOST

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
HOSTS_MAX = 64  # spellings of our own name that are remembered

_quoted = json.JSONEncoder().encode
# The caller's own id, if it can stand in a header, a log line and a column as it is.
_acceptable = re.compile(r"[A-Za-z0-9._-]{1,64}").fullmatch


def is_left_unread(request: Any) -> bool:
    """Tell whether a body came that nobody has read, as with most refusals.

    The server then closes the connection unless it has the whole body already. Left unsaid, that is a race which the
    next call on the connection may lose.
    """
    meta = request.META
    announced = meta.get("CONTENT_LENGTH") not in (None, "", "0") or "HTTP_TRANSFER_ENCODING" in meta
    return announced and not (request._read_started or getattr(request, "body_is_read", False))


class ApiMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.write = bare_stream().write
        self.series: dict[tuple[str, str, int], Histogram] = {}
        self.hosts: set[str] = set()
        # Kubernetes and Prometheus call these by a pod's address; on loopback nobody has a reason to.
        self.any_host = set() if settings.LOCAL else {"/livez", "/readyz", "/metrics"}

    def __call__(self, request: Any) -> HttpResponseBase:
        """Answer the request and account for it."""
        started = perf_counter()
        request_id = request.META.get("HTTP_X_REQUEST_ID")
        if request_id is None or _acceptable(request_id) is None:
            request_id = os.urandom(16).hex()
        request.request_id = request_id
        response = self.get_response(request) if self.is_ours(request) else Problem("invalid_host").reply(request)
        self.finish(request, response)
        self.account(request, response, perf_counter() - started)
        return response

    def is_ours(self, request: HttpRequest) -> bool:
        """Tell whether the Host header names us, or a page elsewhere could have its own name point here."""
        host = request.META.get("HTTP_HOST", "")
        if host in self.hosts or request.path in self.any_host:
            return True
        try:
            request.get_host()
        except DisallowedHost:
            return False
        if len(self.hosts) < HOSTS_MAX:
            self.hosts.add(host)
        return True

    def finish(self, request: Any, response: HttpResponseBase) -> None:
        """Set the headers that every answer has, past Django's checks: nothing of it comes from outside unchecked."""
        headers = response.headers._store
        headers["x-request-id"] = "X-Request-ID", request.request_id
        if is_left_unread(request):
            headers["connection"] = "Connection", "close"
        headers["x-content-type-options"] = "X-Content-Type-Options", "nosniff"
        headers.setdefault("cache-control", ("Cache-Control", "private, no-store"))  # a style sheet says something else
        if isinstance(response, HttpResponse) and response.status_code not in (204, 304):
            headers["content-length"] = "Content-Length", str(len(response.content))
        # The line below says all that Django's own "Not Found: /path" would.
        response._has_been_logged = True  # type: ignore[attr-defined]

    def account(self, request: Any, response: HttpResponseBase, seconds: float) -> None:
        """Write the line and the observation. The query stays out: callers put secrets there."""
        match = request.resolver_match
        route = match.url_name or "other" if match else "none"
        method = request.method if request.method in METHODS else "other"
        key = method, route, response.status_code
        series = self.series.get(key)
        if series is None:
            series = self.series[key] = HTTP_SECONDS.labels(*map(str, key))
        series.observe(seconds)
        user = getattr(request, "user", None)
        # What structlog would write, without its 40 µs: only the path can hold what JSON must escape.
        at = datetime.now(UTC).isoformat(timespec="microseconds")[:26]
        line = (
            f'{{"method":"{method}","path":{_quoted(request.path[:200])},"status":{response.status_code},'
            f'"ms":{seconds * 1000:.2f},"request_id":"{request.request_id}",'
            f'"user":{_quoted(user.user_id.decode() if user else None)},"event":"request","level":"info",'
            f'"timestamp":"{at}Z"}}\n'
        )
        try:
            self.write(line)
        except OSError:  # nobody reads the log, or its disk is full: what the request did stands
            LOG_LINES_LOST.inc()
