"""What pages for browsers need and the API does not: sessions, CSRF, messages, a policy of what may load, error pages.

It wraps the views of these paths, one by one, instead of standing in settings.MIDDLEWARE: a GET of the API never comes
by here.
"""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, NamedTuple

import structlog
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import redirect, render
from django.urls import URLPattern, URLResolver
from django.utils.decorators import decorator_from_middleware

from populace.api.kinds import KINDS
from populace.api.problems import Problem, problem_of
from populace.console.files import body_limit
from populace.infra.db.pool import give_back
from populace.infra.telemetry.logs import trace_of
from populace.infra.telemetry.metrics import DB_ERRORS

log = structlog.get_logger(__name__)

type View = Callable[..., HttpResponseBase]

# Unfold's build of Alpine evaluates attributes ('unsafe-eval') and its pages hold style elements ('unsafe-inline').
# No script stands in a page itself, so injected ones do not run.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "frame-ancestors 'none'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
HSTS = "max-age=31536000"


class Seen(NamedTuple):
    """Whose session a request had, as the log line of ApiMiddleware asks for it."""

    user_id: bytes


def _bounded(view: View) -> View:
    """Return the view refusing a body too large for its page, or of no told length, before a byte of it is read.

    Django has no limit for a form's files, and CSRF reads the whole form before a view may ask who sends it.
    """

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        length = request.META.get("CONTENT_LENGTH") or "0"
        told = length.isdecimal() and "HTTP_TRANSFER_ENCODING" not in request.META
        if not told or int(length) > settings.BODY_LIMIT:
            if not told or int(length) > body_limit(request):
                return error_page(request, "too_large")
            give_back()  # the connection to the database serves others while the file comes
        return view(request, *args, **kwargs)

    return answer


# From the outermost inwards, in Django's own order.
_AROUND: tuple[Callable[[View], View], ...] = (
    decorator_from_middleware(SessionMiddleware),
    _bounded,
    decorator_from_middleware(CsrfViewMiddleware),
    decorator_from_middleware(AuthenticationMiddleware),
    decorator_from_middleware(MessageMiddleware),
)


def for_browsers(patterns: Iterable[URLPattern | URLResolver]) -> list[URLPattern | URLResolver]:
    """Return the patterns with every view below them wrapped by page()."""
    found = list(patterns)
    for pattern in found:
        if isinstance(pattern, URLResolver):
            for_browsers(pattern.url_patterns)
        else:
            pattern.callback = page(pattern.callback)
    return found


def page(view: View) -> View:
    """Return the view with all that a page for browsers needs."""
    inner = _answered(view)
    for decorate in reversed(_AROUND):
        inner = decorate(inner)

    @wraps(view)
    def outermost(request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response = inner(request, *args, **kwargs)
        except SessionInterrupted:  # it was ended while this request used it
            response = redirect("admin:login")
        except Exception as error:  # of what stands around the view
            response = _error_page(request, error)
        for name, value in HEADERS.items():
            response.headers[name] = value
        if not settings.LOCAL:
            response.headers["Strict-Transport-Security"] = HSTS
        # What is known by now: the log line asks the database nothing.
        user_id = getattr(request.session, "_session_cache", {}).get(SESSION_KEY)
        request.user = Seen(user_id.encode()) if user_id else None
        return response

    return outermost


def _answered(view: View) -> View:
    """Return the view with its page rendered and its errors answered here, where the session still is."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response: Any = view(request, *args, **kwargs)
            return response.render() if hasattr(response, "render") else response  # type: ignore[no-any-return]
        except Exception as error:
            return _error_page(request, error)

    return answer


def _error_page(request: HttpRequest, error: Exception) -> HttpResponse:
    """Return the page of what the API would answer with a problem detail."""
    problem = problem_of(error)
    if problem.code == "internal" and isinstance(error, BadRequest | SuspiciousOperation):
        problem = Problem("malformed")
    if problem.code == "unavailable":
        DB_ERRORS.inc()
    if problem.code in ("internal", "unavailable"):
        request_id = getattr(request, "request_id", "")
        log.error(problem.code, request_id=request_id, path=request.path, trace=trace_of(error))
    response = error_page(request, problem.code)
    for name, value in problem.headers.items():
        response.headers[name] = value
    return response


def error_page(request: HttpRequest, code: str) -> HttpResponse:
    """Return the page about one of kinds.KINDS, with its status. Asks the database nothing: it may be what broke."""
    context = {"kind": KINDS[code], "code": code, "request_id": getattr(request, "request_id", "")}
    return render(request, "console/error.html", context, status=KINDS[code].status)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that does not come from a page of ours (settings.CSRF_FAILURE_VIEW)."""
    return error_page(request, "forbidden")
