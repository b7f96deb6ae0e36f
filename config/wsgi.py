"""The WSGI application that granian serves."""

import gc
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import django
from django.core.cache import close_caches
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.signals import request_finished
from django.db import close_old_connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class Request(WSGIRequest):
    """A request that exists whatever its Content-Type says."""

    def _set_content_type_params(self, meta: Mapping[str, Any]) -> None:
        """Read the media type; one longer than Django takes is none, for nobody would answer what is raised here.

        Nor does the caller choose the encoding of the query: `charset=rot13` would be an error of ours.
        """
        self.content_type, self.content_params = "", {}
        with suppress(ValueError, TypeError):  # of Python's parser of mail headers, for `x*0=a; x*=b`
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))


class Handler(WSGIHandler):
    """Django's handler, less what nothing here asks for: 60 µs of every request (bench/profile.py).

    Left out are the signals, a script prefix and a URLconf per thread, transactions around views, and all hooks of
    middleware but the call itself.
    """

    request_class = Request
    PATHS = 64  # without parameters, whose views are remembered

    def load_middleware(self, is_async: bool = False) -> None:
        """Load it; raises RuntimeError for a hook that would not be called."""
        super().load_middleware(is_async)
        if any(getattr(self, f"_{kind}_middleware") for kind in ("view", "template_response", "exception")):
            raise RuntimeError("middleware has the one hook __call__ here")
        self.matches: dict[str, ResolverMatch] = {}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """Answer one request (PEP 3333).

        What is finished goes out as a list: granian then sends it at once and lets go of the thread, which otherwise
        waits until the client has read everything.
        """
        request = self.request_class(environ)
        response: Any = self._middleware_chain(request)  # type: ignore[attr-defined]
        # What items() returns, without looking each name up by its lower case.
        headers = [*response.headers._store.values()]
        if response.cookies:
            headers += [("Set-Cookie", cookie.OutputString()) for cookie in response.cookies.values()]
        start_response(f"{response.status_code} {response.reason_phrase}", headers)
        if response.streaming:
            response._resource_closers.append(request.close)
            return response
        request.close()
        close_old_connections()
        return [response.content]

    def _get_response(self, request: HttpRequest) -> HttpResponseBase:
        """Call the view; what it raises, the caller turns into an answer."""
        view, arguments, named = self.resolve_request(request)
        response = view(request, *arguments, **named)
        return response.render() if hasattr(response, "render") else response  # type: ignore[no-any-return]

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """Return the view of the request's path, and its parameters; raises Http404."""
        path = request.path_info
        match = self.matches.get(path)
        if match is None:
            match = super().resolve_request(request)
            if not match.kwargs and len(self.matches) < self.PATHS:
                self.matches[path] = match
        request.resolver_match = match
        return match


django.setup(set_prefix=False)
application = Handler()

from populace.infra.db.pool import log_incidents  # noqa: E402 (it declares metrics, whose folder the settings name)

log_incidents()

# Connections are given back, and broken ones closed, when a request has ended: none is left from the one before.
request_finished.disconnect(close_caches)  # there is no cache yet that keeps a connection

# A request leaves next to no cycles behind: look for them every 20,000 objects, not 2,000, and never among what was
# loaded at the start.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)
